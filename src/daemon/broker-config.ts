/**
 * The text of a nats-server's configuration. Pure. Of a broker alone it holds no secret: tokens
 * in it are public; of one in a cluster it holds the secret of the routes. There is no monitoring
 * port, which would show subjects and peers to every local user.
 */
import { addressText } from "./addresses.ts";
import type { BrokerTrust } from "./credentials.ts";

/** Largest message of the bus; frames (256 KB) and log records stay far below it. */
export const PAYLOAD_BYTES_MAX = 1_048_576;
/** What the broker holds for one slow receiver before it cuts it. */
export const PENDING_BYTES_MAX = 67_108_864;
export const CONNECTIONS_MAX = 20_000;
const LOG_FILE_BYTES_MAX = 16_777_216;
const LOG_FILES_MAX = 3;

export interface BrokerConfig {
  readonly serverName: string;
  readonly host: string;
  readonly port: number;
  readonly storeDir: string;
  readonly logFile: string;
  /** Limit of all streams on disk. */
  readonly storeBytesMax: number;
  readonly trust: BrokerTrust;
  /** Clients come by TLS and by nothing else; absent: without, as on loopback. */
  readonly tls?: TlsFiles;
  /**
   * Where it keeps the tokens of accounts as it was told of them, and evens them out with the others; absent:
   * in memory, for a broker whose tokens are made anew at each start.
   */
  readonly accountsDir?: string;
  /** The others that hold copies of the streams; none for a broker alone. */
  readonly cluster?: BrokerRoutes;
}

/** Paths of PEM files. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Who signed for the brokers. */
  readonly authority: string;
}

/** How the brokers of a cluster reach each other. */
export interface BrokerRoutes {
  /** Whoever knows it is a broker of the cluster, and may say anything. */
  readonly secret: string;
  /** Where it listens for the others; default: the host that clients come to. */
  readonly host?: string;
  readonly port: number;
  /** Absent: they talk without TLS, which is for loopback and for networks of their own. */
  readonly tls?: TlsFiles;
  /** Route ports of all members, its own too, as `host:port`. */
  readonly members: readonly string[];
}

const ROUTE_USER = "broker";
/** Seconds for the first words of TLS. */
const TLS_TIMEOUT_S = 5;
/** How soon a broker that was away hears from the others what was revoked meanwhile. */
const ACCOUNTS_INTERVAL = "5s";

export function brokerConfigText(config: BrokerConfig): string {
  const { trust, accountsDir: dir } = config;
  const kept = dir && `{ type: full, dir: ${quoted(dir)}, interval: "${ACCOUNTS_INTERVAL}" }`;
  return `server_name: ${quoted(config.serverName)}
listen: ${quoted(addressText(config))}
max_payload: ${PAYLOAD_BYTES_MAX}
max_pending: ${PENDING_BYTES_MAX}
max_connections: ${CONNECTIONS_MAX}
write_deadline: "10s"
ping_interval: "20s"
ping_max: 3
lame_duck_grace_period: "1s"
lame_duck_duration: "30s"
log_file: ${quoted(config.logFile)}
logfile_size_limit: ${LOG_FILE_BYTES_MAX}
logfile_max_num: ${LOG_FILES_MAX}
jetstream {
  store_dir: ${quoted(config.storeDir)}
  sync_interval: always
  max_memory_store: 67108864
  max_file_store: ${config.storeBytesMax}
}
operator: ${trust.operatorJwt}
system_account: ${trust.systemAccountId}
resolver: ${kept ?? "MEMORY"}
resolver_preload: {
  ${trust.systemAccountId}: ${trust.systemAccountJwt}
  ${trust.accountId}: ${trust.accountJwt}
}
${config.tls === undefined ? "" : tlsText(config.tls, "handshake_first: true")}${
  config.cluster === undefined ? "" : routesText(config.host, config.cluster)
}`;
}

function tlsText({ cert, key }: TlsFiles, ...more: readonly string[]): string {
  return `tls {
  cert_file: ${quoted(cert)}
  key_file: ${quoted(key)}
  min_version: "1.2"
  timeout: ${TLS_TIMEOUT_S}
  ${more.join("\n  ")}
}
`;
}

function routesText(clientHost: string, routed: BrokerRoutes): string {
  const { secret, host = clientHost, port, members, tls } = routed;
  const routes = members.map((at) => quoted(`nats-route://${ROUTE_USER}:${secret}@${at}`));
  // Each proves itself to the other: the secret is said to nobody whom our authority did not sign for.
  const verified = tls && tlsText(tls, `ca_file: ${quoted(tls.authority)}`, "verify: true");
  return `cluster {
  name: "meseta"
  listen: ${quoted(addressText({ host, port }))}
  authorization { user: ${ROUTE_USER}, password: ${quoted(secret)}, timeout: 2 }
  routes: [${routes.join(", ")}]
  no_advertise: true
${verified ?? ""}}
`;
}

/** The configuration reads escapes in double quotes; a path may hold any character. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
