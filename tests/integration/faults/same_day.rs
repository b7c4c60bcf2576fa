//! Processes that make the tables of the same day at once.

use super::{
    audit::assert_stored,
    backend::Backend,
    process::{Process, is_quiet},
    traffic::text,
};

const PROCESSES: usize = 4;
/// Days, from one on which nobody has made tables.
const DAYS: std::ops::Range<usize> = 10..60;

on_each!([sqlite, postgres, mariadb] four_processes_make_the_same_day_at_once_without_a_word);
async fn four_processes_make_the_same_day_at_once_without_a_word<B: Backend>() {
    let place = B::new().await;
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        let mut process = Process::start(&place.dsn()).await;
        process.begin_at_noon().await;
        processes.push(process);
    }
    let mut said = Vec::new();
    for day in DAYS {
        for (number, process) in processes.iter_mut().enumerate() {
            let name = format!("{number}-{day}");
            process
                .tell(&format!("day {day}\nsay {name} 2 1\nflush"))
                .await;
            said.extend([0, 1].map(|exchange| text(&name, exchange)));
        }
        for process in &mut processes {
            assert_eq!(process.answer().await, "said");
            assert_eq!(process.answer().await, "flushed");
        }
    }
    for process in processes {
        let log = process.end().await;
        assert!(is_quiet(&log), "{log}");
    }
    assert_stored(&place, &said).await;
}
