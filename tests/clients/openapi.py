"""The history API against its own description: the document is valid, and requests that are made out of it
are answered as it says. Arguments go on to schemathesis; without them it is a short run, the same each time.

The long one, against `GATEWAY_API_KEYS='sk-portal:*' cargo run --example gateway`, whose database it fills:

    export GATEWAY_URL=http://127.0.0.1:8000 GATEWAY_KEY=sk-portal
    target/clients-venv/bin/python tests/clients/openapi.py --max-examples 200
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import requests
from openapi_spec_validator import OpenAPIV31SpecValidator

BASE = os.environ["GATEWAY_URL"]
KEY = {"Authorization": f"Bearer {os.environ['GATEWAY_KEY']}"}
DOCUMENT = f"{BASE}/openapi.json"
CONFIG = Path(__file__).with_name("schemathesis.toml")
SHORT = ["--max-examples", "8", "--seed", "1", "--no-shrink"]


def say(session, user, text, **options):
    """What the demo model is told, so that there is something to read."""
    headers = KEY | {"X-Session-ID": session, "X-User-ID": user}
    asked = {"model": "officeai", "messages": [{"role": "user", "content": text}]} | options
    requests.post(f"{BASE}/v1/chat/completions", headers=headers, json=asked, timeout=30)


document = requests.get(DOCUMENT, timeout=30).json()
assert document["openapi"].startswith("3.1.")
OpenAPIV31SpecValidator(document).validate()

# The names of `schemathesis.toml`. Some of them are deleted on the way.
for number in range(8):
    say(f"session-{number}", f"user-{number % 2}", "hello")
    say(f"session-{number}", f"user-{number % 2}", "again 😄\0", stream=True)
    say(f"session-{number}", f"user-{number % 2}", 7)

schemathesis = Path(sys.executable).with_name("schemathesis")
run = [schemathesis, "--config-file", CONFIG, "run", DOCUMENT, "--no-color"]
header = ["--header", f"Authorization: {KEY['Authorization']}"]
# It leaves files where it runs.
with tempfile.TemporaryDirectory() as folder:
    ended = subprocess.run(run + header + (sys.argv[1:] or SHORT), cwd=folder, check=False)
sys.exit(ended.returncode)
