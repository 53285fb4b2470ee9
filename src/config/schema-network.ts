import {
  choice,
  flag,
  mask,
  path,
  paths,
  ports,
  type Section,
  text,
  texts,
  unbounded,
  whole,
  writtenFile,
} from "./key.ts";

const port = [0, 65_535] as const;

/** Where the server is reached. */
export const address = {
  ServerHostName: text(
    "",
    "The name clients use for this server, in redirects and absolute addresses; empty means the name of this host.",
    { shipped: "localhost" },
  ),
  HTTPPort: whole(8008, port, "The port for HTTP; 0 switches it off."),
  SSLPort: whole(0, port, "The port for HTTPS, usually 8443; 0 switches it off."),
  RedirectHTTPToHTTPS: flag(false, "Answer every HTTP request with a redirect to HTTPS."),
  BindAddresses: texts([], "The addresses of this host to listen on; an empty list means all of them.", {
    shipped: ["127.0.0.1"],
  }),
  BindHTTPPorts: ports([], "The ports really listened on for HTTP, when a router maps HTTPPort to others."),
  BindSSLPorts: ports([], "The ports really listened on for HTTPS, when a router maps SSLPort to others."),
  SSLCertificate: path(
    "",
    "The server's certificate, in PEM form; empty means one that the server makes and signs itself (self-signed.pem in DataRoot).",
  ),
  SSLPrivateKey: path("", "The certificate's private key, in PEM form; empty means that it stands in SSLCertificate."),
  SSLAuthorityChain: path("", "The certificates between the server's and a known authority, in PEM form."),
  SSLMoreCertificates: paths(
    [],
    "Files with certificate, chain and key each, for clients that ask for one of their names (SNI).",
  ),
  SSLPassPhraseDialog: path(
    "/etc/apache2/getsslpassphrase",
    "A program that prints the passphrase of a private key that has one; it is called with host:port and RSA, DSA or ECC.",
  ),
  SSLCertAdmin: path("/usr/sbin/certadmin", "A program of Mac OS X Server that knows certificate passphrases.", {
    effect: "ignored",
  }),
  SSLMethod: text("SSLv3_METHOD", "The original's name of a TLS version; this server speaks TLS 1.2 and later.", {
    effect: "ignored",
  }),
} satisfies Section;

/** How much is served at once. */
export const load = {
  MaxRequests: whole(600, [1, 100_000], "Open connections per worker; more are answered with 503."),
  ListenBacklog: whole(50, [1, 65_535], "Connections the system keeps waiting until a worker takes them."),
  IdleConnectionTimeOut: whole(15, [1, 86_400], "Seconds until an idle connection is closed."),
  HTTPRetryAfter: whole(
    180,
    [1, 86_400],
    "Seconds after which a client refused with 503 may try again (half to one and a half times this).",
  ),
  EnableKeepAlive: flag(true, "Keep connections open between requests."),
  ResponseCompression: flag(true, "Compress answers for clients that can read them so."),
  UIDReservationTimeOut: whole(
    1800,
    [0, unbounded],
    "Seconds a UID stayed reserved in the original; this server needs no reservations.",
    {
      effect: "ignored",
    },
  ),
  ResponseCacheTimeout: whole(
    30,
    [0, unbounded],
    "Minutes PROPFIND answers stayed cached in the original; this server answers from its index.",
    {
      effect: "ignored",
    },
  ),
} satisfies Section;

/** Processes and who they run as. */
export const processes = {
  ProcessType: choice(
    ["Combined", "Master", "Slave", "Single"],
    "Combined",
    "Combined: a master with its workers; Slave: one worker that listens by itself; Master: only the balancer in front of slaves; Single: one process.",
  ),
  MultiProcess: {
    ProcessCount: whole(0, [0, 256], "Worker processes; 0 means one per processor core."),
    MinProcessCount: whole(
      4,
      [0, 256],
      "The original's least number of workers when ProcessCount is 0; one per core is enough here.",
      {
        effect: "ignored",
      },
    ),
    LoadBalancer: {
      Enabled: flag(true, "The workers share the port; the original gave each its own when this was off.", {
        effect: "ignored",
      }),
      Scheduler: choice(
        ["LeastConnections", "RoundRobin", "LeastConnectionsAndRoundRobin"],
        "LeastConnections",
        "How a process of type Master chooses a slave for a connection.",
      ),
    },
    StaggeredStartup: {
      Enabled: flag(false, "Start the workers one after the other."),
      Interval: whole(15, [0, 3600], "Seconds between two of them."),
    },
  },
  UserName: text("", "The user the workers run as when the server is started by root; empty keeps root."),
  GroupName: text("", "The group the workers run as when the server is started by root; empty keeps root's."),
  umask: mask(0o027, "The umask for files and folders of the store: 23 is octal 027."),
  PIDFile: writtenFile(
    "/var/run/caldavd.pid",
    "Holds the master's process id while it runs; empty means caldavd.pid in DataRoot.",
    {
      shipped: "../data/store/caldavd.pid",
    },
  ),
} satisfies Section;

/** Parts of the original's machinery that have no counterpart. */
export const machinery = {
  ControlSocket: path(
    "/var/run/caldavd.sock",
    "The socket on which the original's workers sent log lines to their master.",
    {
      effect: "ignored",
    },
  ),
  ControlPort: whole(0, port, "The port for the same when ControlSocket is empty.", { effect: "ignored" }),
  Twisted: {
    twistd: path("/usr/share/caldavd/bin/twistd", "The program that ran the original.", { effect: "ignored" }),
    reactor: text("select", "The original's event loop.", { effect: "ignored" }),
  },
  PythonDirector: {
    pydir: path("/usr/share/caldavd/bin/pydir.py", "The original's load balancer.", { effect: "ignored" }),
    ConfigFile: path("/etc/caldavd/pydir.xml", "The slaves that a process of type Master spreads connections over."),
    ControlSocket: path("/var/run/caldavd-pydir.sock", "Its control socket.", { effect: "ignored" }),
  },
  Profiling: {
    Enabled: flag(false, "Write profiles of the original's workers.", { effect: "ignored" }),
    BaseDirectory: path("/tmp/stats", "The folder for them.", { effect: "ignored" }),
  },
  Memcached: {
    ClientEnabled: flag(true, "Use memcached; this server shares nothing between its workers but the store.", {
      effect: "ignored",
    }),
    ServerEnabled: flag(true, "Run memcached.", { effect: "ignored" }),
    BindAddress: text("127.0.0.1", "Its address.", { effect: "ignored" }),
    Port: whole(11211, port, "Its port.", { effect: "ignored" }),
    MaxClients: whole(5, [0, unbounded], "Connections to it per process.", { effect: "ignored" }),
    memcached: path("memcached", "Its program.", { effect: "ignored" }),
    MaxMemory: whole(0, [0, unbounded], "Its memory in megabytes; 0 means its own default.", { effect: "ignored" }),
    Options: texts([], "More of its command line.", { effect: "ignored" }),
  },
} satisfies Section;
