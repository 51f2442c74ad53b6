//! Points on the recorded axis: an instant, or a number of entries. Entries are counted on through all logs of the
//! tenant, those that were lost among them, so that a number means the same before and after a log was continued.

use model::Timestamp;
use store::facts::read::Instants;

use super::Recorded;
use crate::context::App;
use crate::error::{Error, Kind};

/// A point on the recorded axis.
pub(crate) struct Point {
    /// When the newest entry before it was recorded.
    pub(crate) recorded_at: Timestamp,
    /// How many entries were there.
    pub(crate) position: u64,
}

impl Point {
    /// Before anything was recorded.
    const BEGINNING: Self = Self { recorded_at: Timestamp::MIN, position: 0 };

    /// Returns the point with a valid time.
    pub(crate) const fn at(&self, valid_at: Timestamp) -> Instants {
        Instants { valid_at, recorded_at: self.recorded_at, position: self.position }
    }
}

impl App {
    /// Finds how many entries stand for a recorded point: those that were there then.
    pub(crate) async fn recorded_point(&self, recorded: Recorded) -> Result<Point, Error> {
        if let Recorded::At(at) = recorded {
            return self.point_at(at).await;
        }
        let first = self.first_position().await?;
        let size = self.db.log_size(&self.tenant).await?;
        match recorded {
            Recorded::TreeSize(asked) if asked > first + size => {
                let message = format!("the ledger has {} entries, not {asked}", first + size);
                Err(Error::new(Kind::NotFound, message))
            }
            Recorded::TreeSize(asked) if asked <= first => self.point_in_ended(asked).await,
            Recorded::TreeSize(asked) => self.point(first, asked - first).await,
            Recorded::Now | Recorded::At(_) => self.point(first, size).await,
        }
    }

    /// Returns the point behind the first `size` entries of the log, which begins at a position.
    async fn point(&self, first: u64, size: u64) -> Result<Point, Error> {
        match size.checked_sub(1) {
            Some(newest) => Ok(Point { recorded_at: self.entry_time(newest).await?, position: first + size }),
            None => Ok(Point::BEGINNING),
        }
    }

    /// Finds the point of an instant, in the newest log that had begun.
    async fn point_at(&self, at: Timestamp) -> Result<Point, Error> {
        for log in self.db.list_logs(self.tenant.id).await?.into_iter().rev() {
            let log_app = self.over(&log.tenant);
            let size = log_app.size_at(at, self.db.log_size(&log.tenant).await?).await?;
            if size > 0 {
                return log_app.point(log.first_position, size).await;
            }
        }
        Ok(Point::BEGINNING)
    }

    /// Finds the point of a number in a log that ended. Behind what its successor vouches for a number may have been
    /// told of entries that were lost, and of others that took their place: no answer there is the one that was given.
    async fn point_in_ended(&self, asked: u64) -> Result<Point, Error> {
        if asked == 0 {
            return Ok(Point::BEGINNING);
        }
        let chapters = self.chapters().await?;
        let next = chapters.partition_point(|chapter| chapter.first_position < asked);
        let known = chapters.get(next).and_then(|next| next.continues.as_ref());
        let kept = known.map_or(0, |continues| continues.kept);
        let ended = next.checked_sub(1).and_then(|ended| chapters.get(ended));
        let first = ended.map_or(0, |ended| ended.first_position);
        match ended {
            Some(ended) if asked - first <= kept => {
                self.over(&ended.tenant).point(first, asked - first).await
            }
            Some(_) | None => {
                let message = format!(
                    "of the first {asked} entries of the ledger those from {} on are lost or not vouched for: it was continued without them",
                    first + kept
                );
                Err(Error::new(Kind::NotFound, message)
                    .hint("`plumb ledger verify` names what is missing; an instant can be asked for instead"))
            }
        }
    }

    /// Returns how many of the first `size` entries were recorded at or before an instant; times never decrease.
    async fn size_at(&self, at: Timestamp, size: u64) -> Result<u64, Error> {
        let (mut known, mut beyond) = (0, size);
        while known < beyond {
            let middle = known + (beyond - known) / 2;
            if self.entry_time(middle).await? <= at {
                known = middle + 1;
            } else {
                beyond = middle;
            }
        }
        Ok(known)
    }
}
