//! One live connection: what goes out, what comes in, and how its death is noticed.
//!
//! The same code serves the links between nodes, the clients of a node, and the clients' own side. Who takes a connection numbers it and says
//! so; then the caller says who it is. A connection ends when the other side closes it, when its bytes are damaged, when its owner
//! closes its [`Outbox`], when it falls silent, or when it reads so slowly that too much waits for it.
//!
//! # Silence
//!
//! A broken network does not say so: the bytes of a dead connection vanish, and in a simulated network a single lost segment stops a
//! stream for ever. So each side acknowledges what it receives, at most every [`ACKNOWLEDGE_AFTER`], and a side whose frames stay
//! unacknowledged for [`SILENCE_MAX`] gives the connection up. A connection without traffic costs nothing.

use super::frame::{self, Frame, FrameCodec, FrameError};
use super::gate::{Fate, Gate};
use super::net::Net;
use crate::wire::{Greeting, Party};
use bytes::{Bytes, BytesMut};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::Notify;
use tokio::task::JoinError;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::codec::Decoder;

/// How long a dial may take.
pub const DIAL_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a side waits between the first frame it has not acknowledged and the acknowledgement.
pub const ACKNOWLEDGE_AFTER: Duration = Duration::from_millis(300);

/// How long frames may stay unacknowledged, and how long a caller may take to say who it is.
pub const SILENCE_MAX: Duration = Duration::from_millis(1500);

/// How many frames may wait to go out on one connection. One more closes it: a loss inside a connection would be a gap in what the other side
/// hears.
pub const OUTBOX_FRAMES_MAX: usize = 4096;

/// How many bytes of frames may wait to go out on one connection.
pub const OUTBOX_BYTES_MAX: usize = 32 << 20;

const READ_BYTES: usize = 16 << 10;
/// How many bytes are handed to the socket at a time, and a frame more.
const WRITE_BYTES: usize = 64 << 10;

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
    /// In all of those.
    bytes: usize,
}

impl Waiting {
    fn next_due(&self) -> Option<Instant> {
        let frame = self.frames.front().map(|(due, _)| *due);
        let loose = self.loose.first_key_value().map(|((due, _), _)| *due);
        frame.into_iter().chain(loose).min()
    }

    fn take_due(&mut self, now: Instant) -> Option<Bytes> {
        let bytes = if self.frames.front().is_some_and(|(due, _)| *due <= now) {
            self.frames.pop_front()?.1
        } else if self.loose.first_key_value()?.0.0 <= now {
            self.loose.pop_first()?.1
        } else {
            return None;
        };
        self.bytes -= bytes.len();
        Some(bytes)
    }

    fn is_full(&self) -> bool {
        let frames = self.frames.len() + self.loose.len();
        frames >= OUTBOX_FRAMES_MAX || self.bytes >= OUTBOX_BYTES_MAX
    }

    /// Adds a frame that keeps its place. Gives when it goes out: not before those ahead of it.
    fn push(&mut self, due: Instant, framed: Bytes) -> Instant {
        let due = self.last_due.map_or(due, |last| due.max(last));
        self.last_due = Some(due);
        self.bytes += framed.len();
        self.frames.push_back((due, framed));
        due
    }

    /// Adds a frame that waits for nobody.
    fn push_loose(&mut self, due: Instant, framed: Bytes) {
        self.loose_count += 1;
        self.bytes += framed.len();
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

    /// The number of the connection.
    pub fn connection(&self) -> u64 {
        self.connection
    }

    /// Says something about the connection itself, in the order of sending.
    pub fn greet(&self, greeting: Greeting) {
        let framed = frame::encode_greeting(greeting);
        self.waiting.borrow_mut().push(Instant::now(), framed);
        self.changed.notify_one();
    }

    /// Says who is calling, before everything else. The gate was asked about it when it was asked about the dial.
    fn say_hello(&self, connection: u64) {
        let caller = self.from;
        let framed = frame::encode_greeting(Greeting::Hello { connection, caller });
        let mut waiting = self.waiting.borrow_mut();
        waiting.bytes += framed.len();
        waiting.frames.push_front((Instant::now(), framed));
    }

    /// Sends a payload, or loses it: when the connection is closed, when the gate says so. Closes the connection when too much waits.
    pub fn send(&self, payload: &[u8]) {
        self.send_with(|framed| framed.extend_from_slice(payload));
    }

    /// As [`Outbox::send`], for a payload that is written when it is known to go out. `write` appends it.
    pub fn send_with(&self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.closed.get() {
            return;
        }
        if self.waiting.borrow().is_full() {
            return self.close();
        }
        // What is too long for a frame can never arrive. It is lost, as `Send` may be.
        let Ok(framed) = frame::encode_with(write) else {
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
        self.waiting.take();
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

/// Makes a connection, if the gate and the network let it, within [`DIAL_TIMEOUT`]. Gives the number that the other side gave it.
pub async fn dial<N: Net, G: Gate>(
    net: &N,
    outbox: &Outbox<G>,
    address: &str,
) -> Result<(Wire<N::Stream>, u64), End> {
    if !outbox.gate.dial(outbox.from, outbox.to, outbox.connection) {
        sleep(DIAL_TIMEOUT).await;
        return Err(End::DialTimeout);
    }
    let made = async {
        let mut wire = Wire::new(net.connect(address).await?);
        let Greeting::Welcome { connection } = wire.greeting().await? else {
            return Err(End::Senseless("who is called welcomes the caller".into()));
        };
        // Only what goes through the outbox of the other side is counted there.
        wire.received = 0;
        wire.acknowledge_at = None;
        outbox.say_hello(connection);
        Ok((wire, connection))
    };
    let made = timeout(DIAL_TIMEOUT, made).await;
    made.unwrap_or(Err(End::DialTimeout))
}

/// Takes a connection and gives it a number. Says who is calling.
pub async fn take<S: AsyncRead + AsyncWrite>(
    stream: S,
    connection: u64,
) -> Result<(Wire<S>, Party), End> {
    let mut wire = Wire::new(stream);
    let welcome = frame::encode_greeting(Greeting::Welcome { connection });
    let greeted = async {
        wire.write.write_all(&welcome).await?;
        wire.greeting().await
    };
    match timeout(SILENCE_MAX, greeted).await {
        Ok(Ok(Greeting::Hello {
            connection: said,
            caller,
        })) if said == connection => Ok((wire, caller)),
        Ok(Ok(_)) => Err(End::Senseless("a caller says who it is".into())),
        Ok(Err(end)) => Err(end),
        Err(_) => Err(End::Silent),
    }
}

impl<S: AsyncRead + AsyncWrite> Wire<S> {
    fn new(stream: S) -> Self {
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
        if let Some(Frame::Data(_) | Frame::Greeting(_)) = &frame {
            self.received += 1;
            self.acknowledge_at
                .get_or_insert_with(|| Instant::now() + ACKNOWLEDGE_AFTER);
        }
        Ok(frame)
    }

    /// The greeting that comes next, before anything else.
    async fn greeting(&mut self) -> Result<Greeting, End> {
        loop {
            match self.next_arrived()? {
                Some(Frame::Greeting(greeting)) => return Ok(greeting),
                Some(_) => return Err(End::Senseless("a connection begins with greetings".into())),
                None => {}
            }
            self.arrived.reserve(READ_BYTES);
            if self.read.read_buf(&mut self.arrived).await? == 0 {
                return Err(End::Closed);
            }
        }
    }

    /// Runs the connection until it ends: sends what comes into the outbox, and gives each payload and greeting that arrives to `deliver`,
    /// one at a time. Nothing is delivered once the outbox is closed, not even what has arrived.
    ///
    /// While `deliver` waits, nothing moves on this connection. An error from it ends the connection.
    pub async fn serve<G: Gate>(
        mut self,
        outbox: &Outbox<G>,
        mut deliver: impl AsyncFnMut(Frame) -> Result<(), End>,
    ) -> End {
        let mut going = BytesMut::new();
        let mut unacknowledged = Unacknowledged::default();
        loop {
            loop {
                if outbox.is_closed() {
                    return End::Dropped;
                }
                match self.next_arrived() {
                    Ok(Some(Frame::Acknowledge(count))) => unacknowledged.acknowledged(count),
                    Ok(Some(frame)) => {
                        if let Err(end) = deliver(frame).await {
                            return end;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return error.into(),
                }
            }
            let now = Instant::now();
            while going.len() < WRITE_BYTES
                && let Some(framed) = outbox.take_due(now)
            {
                going.extend_from_slice(&framed);
                unacknowledged.sent(now);
            }
            // While the socket is full, what is due waits for it and for no clock.
            let next_due = match going.len() < WRITE_BYTES {
                true => outbox.waiting.borrow().next_due(),
                false => None,
            };
            if self.acknowledge_at.is_some_and(|at| at <= now) {
                self.acknowledge_at = None;
                frame::put_acknowledgement(self.received, &mut going);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::NodeId;
    use crate::host::PlainGate;

    fn outbox() -> Rc<Outbox<PlainGate>> {
        let (from, to) = (Party::Node(NodeId(1)), Party::Node(NodeId(2)));
        Outbox::new(Rc::new(PlainGate), from, to, 1)
    }

    fn life<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, future)
    }

    #[test]
    fn what_waits_for_a_slow_reader_waits_where_it_is_counted_and_is_bounded() {
        life(async {
            let (stream, reader) = tokio::io::duplex(1 << 10);
            let outbox = outbox();
            let served = Rc::clone(&outbox);
            let serving = tokio::task::spawn_local(async move {
                Wire::new(stream).serve(&served, async |_| Ok(())).await
            });
            let (frame_bytes, mut sent) = (256 << 10, 0);
            while !outbox.is_closed() {
                outbox.send(&vec![0; frame_bytes]);
                sent += frame_bytes;
                tokio::task::yield_now().await;
                let waiting = outbox.waiting.borrow().bytes;
                let gone = WRITE_BYTES + 3 * frame_bytes;
                assert!(
                    outbox.is_closed() || waiting + gone >= sent,
                    "{waiting} of {sent}"
                );
                assert!(waiting <= OUTBOX_BYTES_MAX + frame_bytes + frame::HEADER_LENGTH);
            }
            assert!(sent > OUTBOX_BYTES_MAX);
            assert!(matches!(serving.await.unwrap(), End::Dropped));
            assert_eq!(outbox.waiting.borrow().bytes, 0, "what waited is let go");
            drop(reader);
        });
    }

    #[test]
    fn many_small_frames_are_too_much_as_well() {
        let outbox = outbox();
        for _ in 0..OUTBOX_FRAMES_MAX {
            outbox.send(b"");
            assert!(!outbox.is_closed());
        }
        outbox.send(b"");
        assert!(outbox.is_closed());
    }

    #[test]
    fn a_slow_reader_gets_everything_in_order() {
        life(async {
            let (stream, mut reader) = tokio::io::duplex(1 << 10);
            let outbox = outbox();
            for number in 0..200_u64 {
                outbox.send(&number.to_le_bytes().repeat(100));
            }
            let served = Rc::clone(&outbox);
            let serving = tokio::task::spawn_local(async move {
                Wire::new(stream).serve(&served, async |_| Ok(())).await
            });
            let mut arrived = BytesMut::new();
            let mut next = 0_u64;
            while next < 200 {
                let mut some = [0; 777];
                let count = reader.read(&mut some).await.unwrap();
                arrived.extend_from_slice(&some[..count]);
                while let Some(frame) = FrameCodec.decode(&mut arrived).unwrap() {
                    assert_eq!(frame, Frame::Data(next.to_le_bytes().repeat(100).into()));
                    next += 1;
                }
            }
            drop(reader);
            assert!(matches!(
                serving.await.unwrap(),
                End::Closed | End::Frame(_)
            ));
        });
    }
}
