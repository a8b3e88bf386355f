//! A running `qrstack`, on a free port and a folder of its own, ended when dropped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;

/// The program with an environment that has no settings in it.
pub fn qrstack() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qrstack"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("QRSTACK_")) {
        command.env_remove(name);
    }
    command
}

/// A running server.
pub struct Program {
    child: Child,
    address: SocketAddr,
    /// What it printed before it listened.
    pub banner: String,
    log: Option<JoinHandle<String>>,
    folder: Arc<TempDir>,
}

impl Program {
    /// Starts a server with further `arguments` and waits until it listens.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().expect("a folder")), arguments)
    }

    /// Starts a server with further variables of the environment.
    pub fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = qrstack();
        command.envs(environment.iter().copied());
        Self::launch(command, Arc::new(tempfile::tempdir().expect("a folder")), arguments)
    }

    /// Starts a server on a folder that another one had.
    pub fn start_in(folder: Arc<TempDir>, arguments: &[&str]) -> Self {
        Self::launch(qrstack(), folder, arguments)
    }

    /// Starts a server that may have `files` open files.
    pub fn start_with_files(files: u32, arguments: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_qrstack")]);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("QRSTACK_")) {
            command.env_remove(name);
        }
        Self::launch(command, Arc::new(tempfile::tempdir().expect("a folder")), arguments)
    }

    /// Starts `command`, which is the program or ends in it.
    #[expect(clippy::zombie_processes, reason = "`Drop` waits for it; where it did not start, the test ends")]
    pub fn launch(mut command: Command, folder: Arc<TempDir>, arguments: &[&str]) -> Self {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path().join("data"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stderr = child.stderr.take().expect("piped");
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            let _ = stderr.read_to_string(&mut log);
            log
        });
        let mut banner = String::new();
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            let line = line.expect("UTF-8");
            if let Some(address) = line.strip_prefix("listening on http://") {
                let address = address.parse().expect("an address");
                return Self { child, address, banner, log: Some(log), folder };
            }
            banner += &line;
            banner.push('\n');
        }
        panic!("it did not listen: {}", log.join().expect("the log"));
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it speaks TLS.
    pub fn tls_address(&self) -> SocketAddr {
        let line = self.banner.lines().find_map(|line| line.strip_prefix("listening on https://"));
        line.expect("a line for TLS").parse().expect("an address")
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The folder, to start another server on it.
    pub fn folder(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        let folder: &Path = self.folder.path();
        folder.join(name)
    }

    pub fn get(&self, target: &str) -> (u16, String) {
        let (status, body) = self.request(&format!("GET {target} HTTP/1.1\r\n"), "");
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    /// Sends a request line with headers, each ended by CR LF, and a body; gives status and body of the answer.
    pub fn request(&self, head: &str, body: &str) -> (u16, Vec<u8>) {
        let (head, body) = self.exchange(head, body);
        (head[9..12].parse().expect("a status"), body)
    }

    /// As [`Self::request`]; gives head and body of the answer.
    pub fn exchange(&self, head: &str, body: &str) -> (String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).expect("connected");
        stream.set_read_timeout(Some(Duration::from_mins(1))).expect("set");
        let request = format!("{head}Host: {}\r\nConnection: close\r\n\r\n{body}", self.address);
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("received");
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let body = answer.split_off(end + 4);
        (String::from_utf8(answer).expect("a head is text"), body)
    }

    /// Ends it as an operator does.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal("-TERM");
        self.child.wait().expect("ended")
    }

    /// Ends it as an operator does; gives the exit code and all that it logged.
    pub fn terminate_and_read_log(mut self) -> (Option<i32>, String) {
        self.signal("-TERM");
        let status = self.child.wait().expect("ended");
        (status.code(), self.log.take().expect("not taken yet").join().expect("the log"))
    }

    /// Ends it without warning.
    pub fn kill(mut self) {
        self.signal("-KILL");
        self.child.wait().expect("ended");
    }

    /// Waits until it ends.
    pub fn wait(mut self) -> Option<i32> {
        self.child.wait().expect("ended").code()
    }

    /// Sends it a signal: `-TERM`, `-INT` …
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status();
        assert!(status.expect("kill runs").success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Where it ended already, there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
