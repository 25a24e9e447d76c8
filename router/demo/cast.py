"""Who is in the demo: two people, and a repo of each on a knot of each generation."""

from __future__ import annotations

ALICE = "did:plc:aliceaaaaaaaaaaaaaaaaaaa"
BOB = "did:plc:bobbbbbbbbbbbbbbbbbbbbbb"
HANDLES = {ALICE: "alice.example", BOB: "bob.example"}
#: Alice's repo `hello` on knot A, and Bob's `site` on knot B.
HELLO = "did:plc:hellohellohellohello2222"
SITE = "did:plc:sitesitesitesitesite2222"
#: What people call the DIDs above.
NAMES = HANDLES | {HELLO: "alice.example/hello", SITE: "bob.example/site"}
