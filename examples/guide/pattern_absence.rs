//! What did not happen: orders that are not paid in time, found although nothing more comes.
//!
//! ```text
//! cargo run --release --example pattern_absence
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use minibatch::{Pattern, PatternWindow, StrategyExt, prelude::*};

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Step {
    Ordered,
    Paid,
    Sent,
}

#[derive(Serialize, Deserialize)]
struct Event {
    order: u32,
    step: Step,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mb = guide::connect().await?;
    mb.drop_stream("orders").await?;
    let orders = mb.stream::<Event>("orders").await?;

    let is = |step: Step| move |event: &Event| event.step == step;
    let unpaid =
        Pattern::begin("ordered", is(Step::Ordered)).without("paid", is(Step::Paid)).within(Duration::from_secs(1));
    let of_each_order = PatternWindow::new(unpaid).by_key().key(|event: &Event| event.order);
    let mut reminders = orders.streaming().window(of_each_order).open().await?;

    for (order, step) in
        [(1, Step::Ordered), (2, Step::Ordered), (1, Step::Paid), (3, Step::Ordered), (1, Step::Sent), (3, Step::Paid)]
    {
        println!("order {order}: {step:?}");
        orders.append(&Event { order, step }).await?;
    }

    if let Some(window) = reminders.next().await? {
        for event in &window.data {
            println!("order {} was not paid within a second", event.order);
        }
        window.ack().await?;
    }
    reminders.shutdown().await?;
    mb.shutdown().await;
    Ok(())
}
