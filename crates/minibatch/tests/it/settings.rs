//! Windows by what the builder says of them.

use std::time::Duration;

use minibatch::{CountWindow, Strategy, Streaming, prelude::*};

use crate::stores;

const HOUR: Duration = Duration::from_secs(3600);

/// Drains the numbers 1 to 5 by `choose`: the stored fingerprint and the sizes of the windows.
async fn check<W: Strategy>(choose: fn(Streaming<u32>) -> Streaming<u32, W>, fingerprint: &str, windows: &[usize]) {
    for store in stores::all().await {
        stores::count_to(&store.mb, 5).await;
        let stream = store.mb.stream::<u32>("numbers").await.unwrap();
        let mut sizes = Vec::new();
        let streaming = choose(stream.streaming());
        let drained = streaming.drain(|window| {
            sizes.push(window.len());
            async {}
        });
        drained.await.unwrap();
        assert_eq!(sizes, windows, "{fingerprint}");
        let groups = stream.groups().await.unwrap();
        let stored: Vec<_> = groups.iter().map(|(_, states)| states[0].fingerprint.as_str()).collect();
        assert_eq!(stored, [fingerprint]);
    }
}

#[tokio::test]
async fn each_setting_makes_its_strategy() {
    check(|s| s.size(2), "batch/1(size=2)", &[2, 2, 1]).await;
    check(|s| s.max_wait(HOUR), "batch/1(max_wait=3600000ms)", &[5]).await;
    check(|s| s.bytes(1), "batch/1(bytes=1)", &[1, 1, 1, 1, 1]).await;
    check(|s| s.interval(HOUR), "relaxed_time/1(3600000ms)", &[5]).await;
    check(|s| s.fixed_interval(HOUR), "fixed_time/1(3600000ms)", &[5]).await;
    check(|s| s.window(CountWindow::new(4)), "count/1(4)", &[4, 1]).await;
}

#[tokio::test]
async fn settings_of_a_batch_add_up_in_any_order() {
    let all = "batch/1(size=3,bytes=1000,max_wait=3600000ms)";
    check(|s| s.size(3).bytes(1000).max_wait(HOUR), all, &[3, 2]).await;
    check(|s| s.max_wait(HOUR).group("other").bytes(1000).size(9).size(3), all, &[3, 2]).await;
}

/// The first example of the design, as it stands, with nothing but the prelude.
mod prelude_alone {
    use minibatch::prelude::*;

    #[derive(Serialize, Deserialize)]
    struct Quake {
        time: DateTime<Utc>,
        mag: f64,
        place: String,
    }

    #[streaming("quakes", size = 50, max_wait = "2s")]
    async fn strongest(window: Window<Quake>) -> Result<Document> {
        let quake = window.data.into_iter().max_by(|a, b| a.mag.total_cmp(&b.mag));
        let quake = quake.map(|quake| doc! { "time": quake.time.to_rfc3339(), "mag": quake.mag, "place": quake.place });
        Ok(quake.unwrap_or_default())
    }

    #[tokio::test]
    async fn is_enough() -> Result<()> {
        let mb = Minibatch::connect("memory:").await?;
        let stream: Stream<Quake> = mb.stream("quakes").await?;
        let quake = Quake { time: Utc::now(), mag: 4.1, place: "125 km NNE of Paciran, Indonesia".to_owned() };
        stream.append(&quake).await?;
        assert_eq!(strongest.drain(&mb).await?.messages, 1);
        Ok(())
    }
}
