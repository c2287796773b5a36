//! Appends a few earthquakes and shows the strongest of each window.

use minibatch::prelude::*;

#[derive(Serialize, Deserialize)]
struct Quake {
    mag: f64,
    place: String,
}

#[streaming("quakes", size = 2)]
async fn strongest(window: Window<Quake>) {
    let quake = window.data.iter().max_by(|a, b| a.mag.total_cmp(&b.mag));
    println!("{:?}", quake.map(|quake| &quake.place));
}

async fn run(mb: &Minibatch) -> Result<String> {
    let quakes = mb.stream("quakes").await?;
    for (mag, place) in [(4.1, "Paciran"), (4.2, "Pondaguitan"), (5.0, "Hualien")] {
        quakes.append(&Quake { mag, place: place.to_owned() }).await?;
    }
    let done = strongest.drain(mb).await?;
    Ok(format!("{} messages in {} windows", done.messages, done.windows))
}

#[tokio::main]
async fn main() -> Result<()> {
    let mb = Minibatch::connect_from_env_or("memory:").await?;
    println!("{}", run(&mb).await?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use minibatch::ErrorKind;

    use super::*;

    async fn check(url: &str) {
        let mb = Minibatch::connect(url).await.unwrap();
        mb.drop_stream("quakes").await.unwrap();
        assert_eq!(run(&mb).await.unwrap(), "3 messages in 2 windows");
        mb.shutdown().await;
    }

    #[tokio::test]
    async fn memory() {
        check("memory:").await;
    }

    #[tokio::test]
    async fn a_file() {
        let file = env::current_exe().unwrap().with_extension("db");
        for left_over in ["db", "db-wal", "db-shm"] {
            // none is there at the first run
            let _ = fs::remove_file(file.with_extension(left_over));
        }
        check(&format!("sqlite://{}", file.display())).await;
    }

    /// Without a word on features there is no MongoDB, and the error says how to get it.
    #[tokio::test]
    async fn mongodb_is_a_feature() {
        let error = Minibatch::connect("mongodb://me:secret@localhost").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.to_string().contains("--features mongodb") && !format!("{error:?}").contains("secret"));
    }
}
