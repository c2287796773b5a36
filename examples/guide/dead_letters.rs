//! A poison message: its window fails, is tried again, and split until the message at fault is found. It goes to the dead
//! letters with the reason, the others are done; and when the function is mended, it is redriven.
//!
//! ```text
//! cargo run --release --example dead_letters
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use minibatch::{Backoff, prelude::*};

/// Whole numbers alone, until somebody mends it.
fn sum(numbers: &[String], mended: bool) -> Result<f64, String> {
    let parse = |text: &String| match text.parse::<i32>() {
        Ok(number) => Ok(f64::from(number)),
        Err(_) if mended => text.parse().map_err(|_| "no number at all".to_owned()),
        Err(_) => Err("not a whole number".to_owned()),
    };
    numbers.iter().map(parse).sum()
}

#[tokio::main]
async fn main() -> Result<()> {
    let mb = guide::connect().await?;
    mb.drop_stream("numbers").await?;
    let stream = mb.stream::<String>("numbers").await?;
    let numbers: Vec<String> =
        (1..=8).map(|number| if number == 6 { "6.5".to_owned() } else { number.to_string() }).collect();
    stream.append_many(&numbers).await?;

    let mut all = 0.0;
    for mended in [false, true] {
        let impatient = Backoff { first: Duration::from_millis(10), max: Duration::from_millis(20) };
        let windows = stream.streaming().size(4).max_attempts(2).backoff(impatient);
        let done = windows.drain(|window| {
            let sum = sum(&window.data, mended);
            println!("attempt {} at {}: {sum:?}", window.attempt, window.data.join(" "));
            all += sum.as_ref().unwrap_or(&0.0);
            async move { sum }
        });
        println!("dead letters: {}", done.await?.dead);

        let letters = mb.dead_letters::<String>("numbers").await?;
        let reasons = letters.streaming().group("reasons").size(1).drain(|window| {
            for letter in window.meta() {
                println!("{:?}: {:?}", window.data, letter.headers);
            }
            async {}
        });
        reasons.await?;
        println!("redriven: {}", mb.redrive("numbers").await?);
    }

    println!("the sum is {all}");
    mb.shutdown().await;
    Ok(())
}
