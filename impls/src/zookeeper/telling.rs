//! What a server's clients are told when something was delivered.

use super::connections::{Connection, Stage, Until};
use super::message::opener;
use super::rules::Telling;
use super::words::{Body, Change, Done, Event, SessionId, Watch, Watched, ZxidNumber};
use super::znodes::News;
use super::{Turn, Zookeeper};
use crate::contract::{Answer, ClientId, Session};
use crate::session::Told;

impl Zookeeper {
    /// Tells the clients what was delivered since they were last told: change by change, in the order of their zxids.
    pub(super) fn tell(&mut self, turn: &mut Turn<'_>) {
        let news = self.zab.machine_mut().take_news();
        for same in news.chunk_by(|one, next| one.zxid() == next.zxid()) {
            for told in (self.rules().order_of_telling)() {
                match told {
                    Telling::Events => self.fire_watches(same, turn),
                    Telling::Answers => self.answer_through(same[0].zxid(), turn),
                }
            }
        }
        self.answer_through(ZxidNumber::MAX, turn);
        for news in news {
            match (news, &mut self.leading) {
                (
                    News::Opened {
                        session,
                        timeout_ms,
                        ..
                    },
                    Some(leading),
                ) => {
                    leading.opened(session, timeout_ms, turn.now);
                }
                (News::Ended { session, .. }, _) => {
                    self.say_ended(session, turn);
                    self.close(session, turn);
                }
                _ => {}
            }
        }
    }

    /// Tells who watches what changed. What several changes of one step did to a node is told in their order, to each watch once.
    fn fire_watches(&mut self, news: &[News], turn: &mut Turn<'_>) {
        for news in news {
            let News::Changed { change, path, zxid } = news else {
                continue;
            };
            let mut clients: Vec<ClientId> = Vec::new();
            for (client, connection) in &mut self.connections {
                // Those that are still to be confirmed are caught up then.
                let stands = matches!(connection.stage, Stage::Open(_));
                if stands && uses_up(connection, *change, path) {
                    clients.push(*client);
                }
            }
            if self.rules().habits.last_client_first {
                clients.reverse();
            }
            for client in clients {
                let (change, path, zxid) = (*change, path.clone(), *zxid);
                turn.notify(client, Event::Fired { change, path, zxid });
            }
        }
    }

    /// Answers those who wait for something that was delivered up to a zxid.
    fn answer_through(&mut self, zxid: ZxidNumber, turn: &mut Turn<'_>) {
        let waits = self.connections.iter();
        let waits = waits.filter(|(_, connection)| connection.waits.is_some());
        let waits: Vec<ClientId> = waits.map(|(client, _)| *client).collect();
        for client in waits {
            self.answer_delivered(client, zxid, turn);
        }
    }

    /// Answers a client if what it waits for was delivered up to a zxid. Says whether it did.
    pub(super) fn answer_delivered(
        &mut self,
        client: ClientId,
        through: ZxidNumber,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Some(connection) = self.connections.get_mut(&client) else {
            return false;
        };
        let Some(waits) = connection.waits else {
            return false;
        };
        let delivered = self.zab.delivered_zxid().as_number().min(through);
        let known = match (waits.until, connection.stage) {
            (Until::Told, _) => return false,
            (Until::Reached(zxid), _) if zxid <= delivered => {
                connection.waits = None;
                turn.reply(
                    client,
                    waits.request_id,
                    delivered,
                    Body::Done(Ok(Done::Fine)),
                );
                return true;
            }
            (Until::Reached(_), _) => return false,
            (Until::Delivered, Stage::Opening) => opener(client),
            (Until::Delivered, _) => client,
        };
        let answer = self.zab.sessions();
        let answer = answer.answered(known, Session(0), waits.request_id);
        let Some(Answer::Done(Told::Output(output))) = answer else {
            return false;
        };
        if output.zxid > through {
            return false;
        }
        connection.waits = None;
        let body = match output.result {
            Ok(Done::Opened(session)) => {
                match self.zab.sessions().machine().sessions().get(&session) {
                    Some(known) => {
                        connection.stage = Stage::Open(session);
                        Body::Connected {
                            session,
                            timeout_ms: known.timeout_ms,
                        }
                    }
                    // It was opened long ago, and has ended.
                    None => {
                        self.connections.remove(&client);
                        turn.reply(client, waits.request_id, delivered, Body::Expired);
                        return true;
                    }
                }
            }
            result => Body::Done(result),
        };
        turn.reply(client, waits.request_id, output.zxid, body);
        true
    }

    /// A session has ended: whoever is connected to it here is not any more.
    fn close(&mut self, session: SessionId, turn: &mut Turn<'_>) {
        let theirs = |connection: &Connection| connection.session() == session;
        let clients: Vec<ClientId> = self
            .connections
            .iter()
            .filter(|(_, connection)| theirs(connection))
            .map(|(client, _)| *client)
            .collect();
        for client in clients {
            self.connections.remove(&client);
            turn.notify(client, Event::Closed);
        }
    }
}

/// Uses up the watches that a change fires. Says whether there were any.
fn uses_up(connection: &mut Connection, change: Change, path: &str) -> bool {
    if connection.watches.is_empty() {
        return false;
    }
    let fired: &[Watched] = match change {
        Change::Created | Change::DataChanged => &[Watched::Data, Watched::Exists],
        Change::Deleted => &[Watched::Data, Watched::Exists, Watched::Children],
        Change::ChildrenChanged => &[Watched::Children],
    };
    let mut any = false;
    for what in fired {
        let watch = Watch {
            what: *what,
            path: path.to_string(),
        };
        any |= connection.watches.remove(&watch);
    }
    any
}
