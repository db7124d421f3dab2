/**
 * Addresses as people write them and as sockets take them: read, printed, and tried on this
 * machine. It opens nothing that stays open.
 */
import { createServer, isIP } from "node:net";
import { networkInterfaces } from "node:os";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `10.0.0.1`, `10.0.0.1:4222`, `[::1]:4222`; undefined for other text. */
export function readAddress(text: string, portDefault: number): Address | undefined {
  const [, bracketed, plain, port] =
    /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const number = port === undefined ? portDefault : Number(port);
  if (host === undefined || number > 65_535) return undefined;
  if (bracketed !== undefined && isIP(bracketed) !== 6) return undefined;
  return { host, port: number };
}

/** @param flag names it in what is said. @throws Error what is wrong with it. */
export function parseAddress(text: string, flag: string, portDefault: number): Address {
  const address = readAddress(text, portDefault);
  if (address !== undefined) return address;
  throw new Error(
    `${flag}: ${JSON.stringify(text)} is no ADDRESS[:PORT] such as 10.0.0.1 or ` +
      `[fd00::1]:${portDefault}`,
  );
}

export function addressText({ host, port }: Address): string {
  return `${bracketed(host)}:${port}`;
}

export function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}

export function isLoopback(host: string): boolean {
  if (host === "localhost" || host === "::1") return true;
  return isIP(host) === 4 && host.startsWith("127.");
}

/** Whether it stands for all addresses of a machine, and so for none that others could dial. */
export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** The port at which it could be listened on just now; an error with its code where not. */
export function tryListen({ host, port }: Address): Promise<number | NodeJS.ErrnoException> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error));
    server.listen(port, host, () => {
      const bound = server.address();
      const found = typeof bound === "object" && bound !== null ? bound.port : port;
      server.close(() => resolve(found));
    });
  });
}

/** Why an address cannot be had, with the mend: after `flag`, which names who wants it. */
export function listenFault(flag: string, address: Address, error: NodeJS.ErrnoException): string {
  const { host, port } = address;
  const at = `${flag}: ${addressText(address)} cannot be had`;
  switch (error.code) {
    case "EADDRNOTAVAIL":
      return `${at}: this machine has no address ${host}; it has ${ownAddresses().join(", ")}`;
    case "EADDRINUSE":
      return `${at}: another process has port ${port} there; end it, or name another port`;
    case "EACCES":
      return `${at}: this user may not have port ${port}; name one above 1023`;
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `${at}: the name ${host} is not known here; name an address of this machine`;
    default:
      return `${at}: ${error.message}`;
  }
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .map(({ address }) => address);
}
