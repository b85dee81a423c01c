"""Runs http-check against a server on a free port."""

import http.server
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "http-check" / "check.sh"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        moved = self.path == "/moved"
        self.send_response(302 if moved else 200 if self.path.startswith("/up") else 404)
        if moved:
            self.send_header("Location", "/up")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@unittest.skipUnless(shutil.which("sh") and shutil.which("curl"), "needs sh and curl")
class HttpCheck(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        cls.base = f"http://127.0.0.1:{cls.server.server_port}"
        cls.thread = threading.Thread(target=cls.server.serve_forever)
        cls.thread.start()

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.thread.join()
        cls.server.server_close()

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.cwd = Path(holder.name)

    def run_check(self, urls=None, *arguments, timeout_s="5"):
        hidden = ("PARAM_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        environment = {name: value for name, value in os.environ.items() if not name.upper().startswith(hidden)}
        if urls is not None:
            text = urls if isinstance(urls, str) else json.dumps(urls, separators=(",", ":"))
            environment |= {"PARAM_URLS": text, "PARAM_TIMEOUT_S": timeout_s}
        return subprocess.run(
            ["sh", str(SCRIPT), *arguments], cwd=self.cwd, env=environment, capture_output=True, text=True, timeout=60
        )

    def read_json(self, name):
        return json.loads((self.cwd / name).read_text(encoding="utf-8"))

    def test_all_up(self):
        done = self.run_check([self.base + "/up", self.base + "/moved"])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        result = self.read_json("result.json")
        self.assertEqual((result["checked"], result["up"], result["down"]), (2, 2, 0))
        self.assertEqual([entry["status"] for entry in result["results"]], [200, 200])
        self.assertTrue(all(line.startswith("INFO ") for line in done.stdout.splitlines()))
        progress = self.read_json("progress.json")
        self.assertEqual((progress["etapa_atual"], progress["total_etapas"], progress["percentual"]), (2, 2, 100))

    def test_missing_page_is_down(self):
        done = self.run_check([self.base + "/up", self.base + "/nope"])
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"ERROR {self.base}/nope is down: answered status 404", done.stdout)
        result = self.read_json("result.json")
        self.assertEqual([(entry["status"], entry["ok"]) for entry in result["results"]], [(200, True), (404, False)])

    def test_refused_connection_is_down(self):
        with socket.socket() as bound:
            # Bound but not listening: nobody else gets the port, and connections are refused.
            bound.bind(("127.0.0.1", 0))
            done = self.run_check([f"http://127.0.0.1:{bound.getsockname()[1]}/"])
        self.assertEqual(done.returncode, 1)
        entry = self.read_json("result.json")["results"][0]
        self.assertEqual((entry["status"], entry["ok"]), (0, False))
        self.assertIn("connect", entry["problem"].lower())

    def test_silent_server_is_down_after_the_limit(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            done = self.run_check([f"http://127.0.0.1:{silent.getsockname()[1]}/"], timeout_s="0.3")
        self.assertEqual(done.returncode, 1)
        self.assertLess(self.read_json("result.json")["results"][0]["seconds"], 5)

    def test_login_and_odd_characters(self):
        address = self.base.replace("//", "//me:secret@") + "/up?a=[1]&b='$(x)'`y`*"
        done = self.run_check([address])
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        everything = done.stdout + done.stderr + json.dumps(self.read_json("result.json"))
        self.assertNotIn("secret", everything)
        self.assertIn("***@127.0.0.1", everything)
        self.assertTrue(self.read_json("result.json")["results"][0]["url"].endswith("/up?a=[1]&b='$(x)'`y`*"))

    @unittest.skipUnless(shutil.which("python3"), "needs python3")
    def test_parameters_come_from_the_file(self):
        (self.cwd / "parameters.json").write_text(json.dumps({"urls": [self.base + "/up"], "timeout_s": 2.5}))
        done = self.run_check(None, "--config", "parameters.json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.read_json("result.json")["checked"], 1)

    def test_bad_parameters_are_refused(self):
        for urls in ("", "[]", "x", "[1]", '["ftp://a"]', '["http://a b"]', '["http://a",]', '["-K/etc/passwd"]'):
            with self.subTest(urls):
                done = self.run_check(urls)
                self.assertEqual(done.returncode, 2)
                self.assertRegex(done.stderr, "^ERROR parameter urls")
        for timeout_s in ("0", "-1", "301", "soon", "1e3"):
            with self.subTest(timeout_s):
                done = self.run_check([self.base], timeout_s=timeout_s)
                self.assertEqual(done.returncode, 2)
                self.assertRegex(done.stderr, "^ERROR parameter timeout_s")
        self.assertEqual(self.run_check(None, "--config", "nowhere.json").returncode, 2)
        self.assertEqual(list(self.cwd.iterdir()), [])


if __name__ == "__main__":
    unittest.main()
