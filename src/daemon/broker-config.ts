/**
 * The text of a nats-server's configuration. Pure. Of a broker alone it holds no secret: tokens
 * in it are public; of one in a cluster it holds the secret of the routes. There is no monitoring
 * port, which would show subjects and peers to every local user.
 */
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
  /** The others that hold copies of the streams; none for a broker alone. */
  readonly cluster?: BrokerRoutes;
}

/** How the brokers of a cluster reach each other. */
export interface BrokerRoutes {
  /** Whoever knows it is a broker of the cluster, and may say anything. */
  readonly secret: string;
  readonly port: number;
  /** Route ports of all members, its own too, as `host:port`. */
  readonly members: readonly string[];
}

const ROUTE_USER = "broker";

export function brokerConfigText(config: BrokerConfig): string {
  const { trust } = config;
  return `server_name: ${quoted(config.serverName)}
listen: ${quoted(`${config.host}:${config.port}`)}
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
resolver: MEMORY
resolver_preload: {
  ${trust.systemAccountId}: ${trust.systemAccountJwt}
  ${trust.accountId}: ${trust.accountJwt}
}
${config.cluster === undefined ? "" : routesText(config.host, config.cluster)}`;
}

function routesText(host: string, { secret, port, members }: BrokerRoutes): string {
  const routes = members.map((at) => quoted(`nats-route://${ROUTE_USER}:${secret}@${at}`));
  return `cluster {
  name: "meseta"
  listen: ${quoted(`${host}:${port}`)}
  authorization { user: ${ROUTE_USER}, password: ${quoted(secret)}, timeout: 2 }
  routes: [${routes.join(", ")}]
  no_advertise: true
}
`;
}

/** The configuration reads escapes in double quotes; a path may hold any character. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
