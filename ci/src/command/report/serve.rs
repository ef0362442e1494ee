//! `stormglass report serve`: the pages over HTTP, for a browser on this machine.
//!
//! It gives out files and nothing else, and only to those who ask for this machine by its own name: a page from elsewhere whose name
//! was made to lead here is refused.

use super::files::{content_type, find};
use crate::command::exit::OrExit;
use crate::command::{Exit, Failure, Format, Store, interrupt, print_line};
use clap::Args;
use serde_json::json;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use stormglass_reports::index::{self, INDEX};
use tiny_http::{Header, Method, Request, Response, Server};

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The port; a free one when it is 0
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The address to listen on. Whoever reaches another than loopback can read all runs
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    #[command(flatten)]
    store: Store,
}

/// How many requests are answered at a time: one slow reader stops nobody else.
const WORKERS: usize = 4;

/// How long it may take until an interrupt is seen.
const PATIENCE: Duration = Duration::from_millis(100);

/// What every answer says besides: files are what they are said to be, no other page frames or reads them, and they are never old.
const HEADERS: [(&str, &str); 5] = [
    ("X-Content-Type-Options", "nosniff"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
];

pub(super) fn execute(args: &ServeArgs, format: Format) -> Result<Exit, Failure> {
    interrupt::listen_and_say("no longer serving");
    index::write(&args.store.out).or_exit(Exit::Unreadable)?;
    let root = args.store.out.canonicalize().or_exit(Exit::Unreadable)?;
    let wanted = SocketAddr::new(args.bind, args.port);
    let server = Server::http(wanted).map_err(|error| Failure {
        exit: Exit::SystemFailed,
        error: anyhow::anyhow!("cannot listen on {wanted}: {error}; try another --port"),
    })?;
    let at = server.server_addr().to_ip().unwrap_or(wanted);
    if !at.ip().is_loopback() {
        eprintln!(
            "stormglass: warning: listening on {at}, which is not loopback: whoever reaches it can read all runs"
        );
    }
    let url = format!("http://{at}/");
    match format {
        Format::Human => print_line(&url),
        Format::Json => print_line(json!({"url": url, "root": root})),
    }
    let server = Arc::new(server);
    let desk = Arc::new(Desk {
        out: args.store.out.clone(),
        root,
        at: at.ip(),
    });
    let (failed, failures) = mpsc::channel();
    for _ in 0..WORKERS {
        let (server, desk, failed) = (Arc::clone(&server), Arc::clone(&desk), failed.clone());
        std::thread::spawn(move || {
            // A worker ends with the process: a reader that never reads on must not hold it up.
            let error = loop {
                match server.recv() {
                    Ok(request) => desk.answer(request),
                    Err(error) => break error,
                }
            };
            let _ = failed.send(error);
        });
    }
    while !interrupt::asked() {
        if let Ok(error) = failures.recv_timeout(PATIENCE) {
            let error = anyhow::anyhow!("{at}: cannot listen any longer: {error}");
            let exit = Exit::SystemFailed;
            return Err(Failure { exit, error });
        }
    }
    Ok(Exit::Valid)
}

/// What is served, and where.
struct Desk {
    /// The directory of runs as the user named it.
    out: PathBuf,
    /// The same, canonical.
    root: PathBuf,
    at: IpAddr,
}

impl Desk {
    /// Answers a request. That the other side has gone away is no failure of ours.
    fn answer(&self, request: Request) {
        let hosts: Vec<&str> = request
            .headers()
            .iter()
            .filter(|header| header.field.equiv("Host"))
            .map(|header| header.value.as_str())
            .collect();
        if !matches!(hosts.as_slice(), [host] if is_known(host, self.at)) {
            let text = "This server answers only to the name of the machine it runs on: localhost, or its address.\n";
            return refuse(request, 403, text, None);
        }
        if !matches!(request.method(), Method::Get | Method::Head) {
            return refuse(request, 405, "Only GET and HEAD.\n", Some("GET, HEAD"));
        }
        let address = request.url().to_string();
        let path = address.split(['?', '#']).next().unwrap_or_default();
        if path == "/favicon.ico" {
            return respond(request, Response::empty(204));
        }
        let is_index = path == "/" || path == format!("/{INDEX}");
        if is_index && let Err(error) = index::write(&self.out) {
            eprintln!("stormglass: {error}");
            return refuse(request, 500, &format!("{error}\n"), None);
        }
        let address = if is_index {
            format!("/{INDEX}")
        } else {
            address
        };
        match find(&self.root, &address) {
            Some((path, file)) => {
                let kind = header("Content-Type", content_type(Path::new(&path)));
                respond(request, Response::from_file(file).with_header(kind));
            }
            None => refuse(request, 404, "There is no such file here.\n", None),
        }
    }
}

/// Whether a request's `Host` is a name of this machine. Any other name may have been made to lead here by whoever owns it; an address
/// cannot be, so where every address of the machine is listened on, each of them will do.
fn is_known(host: &str, at: IpAddr) -> bool {
    let name = match host.rsplit_once(':') {
        // Not the colons inside of an address.
        Some((name, port))
            if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            match name.contains(':') && !name.ends_with(']') {
                true => return false,
                false => name,
            }
        }
        _ => host,
    };
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let address: Option<IpAddr> = match bare {
        Some(bare) => bare.parse().ok().filter(IpAddr::is_ipv6),
        None => name.parse().ok().filter(IpAddr::is_ipv4),
    };
    address.is_some_and(|address| {
        let own = [
            at,
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            std::net::Ipv6Addr::LOCALHOST.into(),
        ];
        own.contains(&address) || at.is_unspecified()
    })
}

fn refuse(request: Request, status: u16, text: &str, allow: Option<&str>) {
    let kind = header("Content-Type", content_type(Path::new("refusal.txt")));
    let mut response = Response::from_string(text)
        .with_status_code(status)
        .with_header(kind);
    if let Some(allow) = allow {
        response.add_header(header("Allow", allow));
    }
    respond(request, response);
}

fn respond<R: std::io::Read>(request: Request, mut response: Response<R>) {
    for (field, value) in HEADERS {
        response.add_header(header(field, value));
    }
    let _ = request.respond(response);
}

fn header(field: &str, value: &str) -> Header {
    Header::from_bytes(field, value).expect("the fields and values above are plain ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        let known = |host: &str, at: &str| is_known(host, at.parse().unwrap());
        for host in [
            "localhost",
            "LocalHost:80",
            "127.0.0.1",
            "127.0.0.1:4000",
            "[::1]",
            "[::1]:4000",
        ] {
            assert!(known(host, "127.0.0.1"), "{host}");
        }
        for host in [
            "",
            ":80",
            "evil.example",
            "evil.example:4000",
            "localhost.evil.example",
            "127.0.0.1.evil.example:4000",
            "192.168.0.9",
            "::1",
            "::1:80",
            "[127.0.0.1]",
            "localhost:80:80",
            "user@localhost",
            "0.0.0.0",
            "localhost:x",
        ] {
            assert!(!known(host, "127.0.0.1"), "{host}");
        }
        assert!(known("192.168.0.9:80", "192.168.0.9"));
        assert!(!known("192.168.0.8:80", "192.168.0.9"));
        assert!(known("192.168.0.9:80", "0.0.0.0") && known("[fe80::1]:80", "::"));
        assert!(!known("evil.example:80", "0.0.0.0"));
    }
}
