//! One live connection: what goes out, what comes in, and how its death is noticed.
//!
//! The same code serves the links between nodes, the clients of a node, and the clients' own side. A connection ends when the other
//! side closes it, when its bytes are damaged, when its owner closes its [`Outbox`], or when it falls silent.
//!
//! # Silence
//!
//! A broken network does not say so: the bytes of a dead connection vanish, and in a simulated network a single lost segment stops a
//! stream for ever. So each side acknowledges what it receives, at most every [`ACKNOWLEDGE_AFTER`], and a side whose frames stay
//! unacknowledged for [`SILENCE_MAX`] gives the connection up. A connection without traffic costs nothing.

use super::frame::{self, Frame, FrameCodec, FrameError};
use super::gate::{Fate, Gate};
use super::net::Net;
use crate::wire::{Hello, Party};
use bytes::{Bytes, BytesMut};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::Notify;
use tokio::task::JoinError;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::codec::{Decoder, Encoder};

/// How long a dial may take.
pub const DIAL_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a side waits between the first frame it has not acknowledged and the acknowledgement.
pub const ACKNOWLEDGE_AFTER: Duration = Duration::from_millis(300);

/// How long frames may stay unacknowledged, and how long a caller may take to say who it is.
pub const SILENCE_MAX: Duration = Duration::from_millis(1500);

/// How many frames may wait to go out on one connection. What comes on top is dropped: sending may lose.
pub const OUTBOX_FRAMES_MAX: usize = 4096;

const READ_BYTES: usize = 8 << 10;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// The other side closed it.
    #[error("the other side closed the connection")]
    Closed,
    /// This side closed it.
    #[error("this side closed the connection")]
    Dropped,
    /// Nothing that was sent was acknowledged for [`SILENCE_MAX`], or a caller did not say who it is.
    #[error("the other side was silent")]
    Silent,
    /// It could not be made within [`DIAL_TIMEOUT`].
    #[error("the connection could not be made in time")]
    DialTimeout,
    /// A frame was received whole and makes no sense.
    #[error("a payload makes no sense: {0}")]
    Senseless(String),
    /// Damaged bytes, or the stream broke.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> Self {
        End::Frame(FrameError::Io(error))
    }
}

impl End {
    /// Whether damaged bytes ended it.
    pub fn is_damage(&self) -> bool {
        matches!(self, End::Frame(error) if !matches!(error, FrameError::Io(_)))
    }
}

/// Lets a panic of a task go on in the task that waited for it: a task that dies in silence is the hardest bug to find.
pub fn pass_on_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// The sending side of one connection: asks the gate about each frame, and holds what has not gone out yet.
#[derive(Debug)]
pub struct Outbox<G> {
    gate: Rc<G>,
    from: Party,
    to: Party,
    connection: u64,
    closed: Cell<bool>,
    waiting: RefCell<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// In the order of sending; each goes out when its time has come and all before it have gone.
    frames: VecDeque<(Instant, Bytes)>,
    /// When the last of those goes out.
    last_due: Option<Instant>,
    /// By time; these wait for nobody and hold nobody up.
    loose: BTreeMap<(Instant, u64), Bytes>,
    loose_count: u64,
}

impl Waiting {
    fn next_due(&self) -> Option<Instant> {
        let frame = self.frames.front().map(|(due, _)| *due);
        let loose = self.loose.first_key_value().map(|((due, _), _)| *due);
        frame.into_iter().chain(loose).min()
    }

    fn take_due(&mut self, now: Instant) -> Option<Bytes> {
        if self.frames.front().is_some_and(|(due, _)| *due <= now) {
            return self.frames.pop_front().map(|(_, bytes)| bytes);
        }
        let ((due, _), _) = self.loose.first_key_value()?;
        if *due <= now {
            self.loose.pop_first().map(|(_, bytes)| bytes)
        } else {
            None
        }
    }

    /// Adds a frame that keeps its place. Gives when it goes out: not before those ahead of it.
    fn push(&mut self, due: Instant, framed: Bytes) -> Instant {
        let due = self.last_due.map_or(due, |last| due.max(last));
        self.last_due = Some(due);
        self.frames.push_back((due, framed));
        due
    }

    /// Adds a frame that waits for nobody.
    fn push_loose(&mut self, due: Instant, framed: Bytes) {
        self.loose_count += 1;
        self.loose.insert((due, self.loose_count), framed);
    }
}

impl<G: Gate> Outbox<G> {
    /// The sending side of a connection. `connection` is the number its host gave it.
    pub fn new(gate: Rc<G>, from: Party, to: Party, connection: u64) -> Rc<Self> {
        Rc::new(Self {
            gate,
            from,
            to,
            connection,
            closed: Cell::new(false),
            waiting: RefCell::default(),
            changed: Notify::new(),
        })
    }

    /// Sends the greeting that opens a connection. The gate was asked about it when it was asked about the dial.
    pub fn greet(&self, hello: Hello) {
        let payload = postcard::to_allocvec(&hello).expect("a greeting is a few plain bytes");
        let framed = frame::encode(&payload).expect("a greeting is a few plain bytes");
        self.waiting
            .borrow_mut()
            .frames
            .push_back((Instant::now(), framed));
        self.changed.notify_one();
    }

    /// Sends a payload, or loses it: when the connection is closed, when too much waits, when the gate says so.
    pub fn send(&self, payload: &[u8]) {
        let full = self.waiting.borrow().frames.len() >= OUTBOX_FRAMES_MAX;
        if self.closed.get() || full {
            return;
        }
        // What is too long for a frame can never arrive. It is lost, as `Send` may be.
        let Ok(framed) = frame::encode(payload) else {
            return;
        };
        let now = Instant::now();
        let fate = self
            .gate
            .frame(self.from, self.to, self.connection, &framed);
        let after = |ns| now + Duration::from_nanos(ns);
        let mut waiting = self.waiting.borrow_mut();
        match fate {
            Fate::Pass => {
                waiting.push(now, framed);
            }
            Fate::Delay { ns } => {
                waiting.push(after(ns), framed);
            }
            Fate::Overtaken { ns } => waiting.push_loose(after(ns), framed),
            Fate::Drop | Fate::Take => return,
            Fate::Reset => {
                drop(waiting);
                self.close();
                return;
            }
            Fate::Copy {
                after_ns,
                times,
                delay_ns,
            } => {
                let mut due = waiting.push(after(after_ns), framed.clone());
                for _ in 0..times {
                    due += Duration::from_nanos(delay_ns);
                    waiting.push_loose(due, framed.clone());
                }
            }
            Fate::Corrupt { after_ns, bit } => {
                let mut flipped = framed.to_vec();
                let bit = (bit % (flipped.len() as u64 * 8)) as usize;
                flipped[bit / 8] ^= 1 << (bit % 8);
                waiting.push(after(after_ns), flipped.into());
            }
        }
        drop(waiting);
        self.changed.notify_one();
    }

    /// Closes the connection. What has not gone out is lost; what arrives is no longer delivered.
    pub fn close(&self) {
        self.closed.set(true);
        self.changed.notify_one();
    }

    fn take_due(&self, now: Instant) -> Option<Bytes> {
        self.waiting.borrow_mut().take_due(now)
    }

    /// Whether this side closed it.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }
}

/// A connected stream that speaks in frames.
#[derive(Debug)]
pub struct Wire<S> {
    read: ReadHalf<S>,
    write: WriteHalf<S>,
    arrived: BytesMut,
    received: u64,
    /// When to acknowledge what was received, if anything was.
    acknowledge_at: Option<Instant>,
}

/// Makes a connection, if the gate and the network let it, within [`DIAL_TIMEOUT`].
pub async fn dial<N: Net, G: Gate>(
    net: &N,
    outbox: &Outbox<G>,
    address: &str,
) -> Result<Wire<N::Stream>, End> {
    if !outbox.gate.dial(outbox.from, outbox.to, outbox.connection) {
        sleep(DIAL_TIMEOUT).await;
        return Err(End::DialTimeout);
    }
    match timeout(DIAL_TIMEOUT, net.connect(address)).await {
        Ok(stream) => Ok(Wire::new(stream?)),
        Err(_) => Err(End::DialTimeout),
    }
}

impl<S: AsyncRead + AsyncWrite> Wire<S> {
    /// Speaks in frames over a stream.
    pub fn new(stream: S) -> Self {
        let (read, write) = tokio::io::split(stream);
        Self {
            read,
            write,
            arrived: BytesMut::new(),
            received: 0,
            acknowledge_at: None,
        }
    }

    fn next_arrived(&mut self) -> Result<Option<Frame>, FrameError> {
        let frame = FrameCodec.decode(&mut self.arrived)?;
        if let Some(Frame::Data(_)) = &frame {
            self.received += 1;
            self.acknowledge_at
                .get_or_insert_with(|| Instant::now() + ACKNOWLEDGE_AFTER);
        }
        Ok(frame)
    }

    /// The first payload of a connection: the greeting of its caller.
    pub async fn first(&mut self) -> Result<Bytes, End> {
        let read = async {
            loop {
                if let Some(Frame::Data(payload)) = self.next_arrived()? {
                    return Ok(payload);
                }
                self.arrived.reserve(READ_BYTES);
                if self.read.read_buf(&mut self.arrived).await? == 0 {
                    return Err(End::Closed);
                }
            }
        };
        timeout(SILENCE_MAX, read).await.unwrap_or(Err(End::Silent))
    }

    /// Runs the connection until it ends: sends what comes into the outbox, and gives each payload that arrives to `deliver`, one at a
    /// time. Nothing is delivered once the outbox is closed, not even what has arrived.
    ///
    /// While `deliver` waits, nothing moves on this connection. An error from it ends the connection.
    pub async fn serve<G: Gate>(
        mut self,
        outbox: &Outbox<G>,
        mut deliver: impl AsyncFnMut(Bytes) -> Result<(), End>,
    ) -> End {
        let mut going = BytesMut::new();
        let mut unacknowledged = Unacknowledged::default();
        loop {
            loop {
                if outbox.is_closed() {
                    return End::Dropped;
                }
                match self.next_arrived() {
                    Ok(Some(Frame::Data(payload))) => {
                        if let Err(end) = deliver(payload).await {
                            return end;
                        }
                    }
                    Ok(Some(Frame::Acknowledge(count))) => unacknowledged.acknowledged(count),
                    Ok(None) => break,
                    Err(error) => return error.into(),
                }
            }
            let now = Instant::now();
            while let Some(framed) = outbox.take_due(now) {
                going.extend_from_slice(&framed);
                unacknowledged.sent(now);
            }
            let next_due = outbox.waiting.borrow().next_due();
            if self.acknowledge_at.is_some_and(|at| at <= now) {
                self.acknowledge_at = None;
                if let Err(error) = FrameCodec.encode(Frame::Acknowledge(self.received), &mut going)
                {
                    return error.into();
                }
            }
            let silent_at = unacknowledged.since.map(|since| since + SILENCE_MAX);
            let wake = next_due
                .into_iter()
                .chain(self.acknowledge_at)
                .chain(silent_at)
                .min();
            self.arrived.reserve(READ_BYTES);
            tokio::select! {
                biased;
                // Writing comes first: it ends by itself, where reading goes on as long as the other side likes.
                written = self.write.write_buf(&mut going), if !going.is_empty() => match written {
                    Ok(0) => return End::Closed,
                    Ok(_) => {}
                    Err(error) => return error.into(),
                },
                read = self.read.read_buf(&mut self.arrived) => match read {
                    Ok(0) => return End::Closed,
                    Ok(_) => {}
                    Err(error) => return error.into(),
                },
                () = outbox.changed.notified() => {}
                // Last, so that a process that was stopped for a while reads its acknowledgements before it judges.
                () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => {
                    if silent_at.is_some_and(|at| at <= Instant::now()) {
                        return End::Silent;
                    }
                }
            }
        }
    }
}

/// What this side has sent and does not know received.
#[derive(Debug, Default)]
struct Unacknowledged {
    sent: u64,
    acknowledged: u64,
    /// Since when nothing was heard of it.
    since: Option<Instant>,
}

impl Unacknowledged {
    fn sent(&mut self, now: Instant) {
        self.sent += 1;
        self.since.get_or_insert(now);
    }

    fn acknowledged(&mut self, count: u64) {
        // A count that does not grow is no sign of life of what was sent since.
        if count > self.acknowledged {
            self.acknowledged = count;
            self.since = if count >= self.sent {
                None
            } else {
                Some(Instant::now())
            };
        }
    }
}
