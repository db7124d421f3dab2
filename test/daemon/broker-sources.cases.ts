/** Which of a machine's package sources are Debian's own, by the text of its files. */
import t from "tap";
import { debianMirrors, parseListFormat, parseSourcesFormat, sourceFileFor } from "#daemon";

const PARAGRAPHS = `Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: https://packages.example/node
Suites: nodistro
Components: main

Types: deb
URIs: https://disabled.example/debian
Suites: bookworm
Components: main
Enabled: no
`;

t.test("of several entries only Debian's own archive is taken", async (test) => {
  const mirrors = debianMirrors(parseSourcesFormat(PARAGRAPHS));
  test.same(
    mirrors.map(({ uri }) => uri),
    ["http://mirror.example/debian"],
  );
  const [mirror] = mirrors;
  test.equal(
    mirror && sourceFileFor(mirror, "trixie"),
    "Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie\nComponents: main\n" +
      "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
  );
});

t.test("the one-line format is read with and without options", async (test) => {
  const sources = parseListFormat(`
# deb http://commented.example/debian bookworm main
deb http://mirror.example/debian bookworm main contrib # trailing
deb-src http://mirror.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] https://other.example/debian sid main
deb https://download.example/linux/debian bookworm stable
deb http://apt.example/pub/repos bookworm-pgdg main
deb http://mirror.example/debian bookworm-backports main
`);
  test.same(
    debianMirrors(sources).map(({ uri, signedBy }) => [uri, signedBy]),
    [
      ["http://mirror.example/debian", undefined],
      ["https://other.example/debian", "/k.gpg"],
    ],
  );
});

t.test("a key that stands in the entry itself comes along with its lines", async (test) => {
  const key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----";
  const text = `Types: deb\nURIs: http://m.example/debian\nSuites: stable\nComponents: main\nSigned-By:\n ${key}\n`;
  const [mirror] = debianMirrors(parseSourcesFormat(text));
  test.match(mirror && sourceFileFor(mirror, "trixie"), `Signed-By: \n ${key}`);
});

t.test("other systems' archives are not taken for Debian's", async (test) => {
  const sources = parseListFormat("deb http://archive.example/ubuntu noble main universe");
  test.same(debianMirrors(sources), []);
});
