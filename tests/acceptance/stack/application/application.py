"""One program in three roles: `serve` answers HTTP, `work` takes jobs from Redis, `probe` is the health check."""
import json
import os
import signal
import socket
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2
import redis

PORT = 8000
SCHEMA = "CREATE TABLE IF NOT EXISTS results (job bigint PRIMARY KEY, answer text NOT NULL, worker text NOT NULL)"


def say(**fields):
    print(json.dumps({"host": socket.gethostname(), **fields}), flush=True)


def open_queue():
    return redis.Redis(host=os.environ["QUEUE_HOST"], socket_timeout=30, decode_responses=True)


def open_database():
    connection = psycopg2.connect(os.environ["DATABASE_URL"], connect_timeout=5)
    connection.autocommit = True
    return connection


def query(text, *values):
    connection = open_database()
    try:
        with connection.cursor() as cursor:
            cursor.execute(text, values)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/healthy":
            query("SELECT 1")
            open_queue().ping()
            self.answer(200, {"healthy": True})
        elif self.path == "/results":
            rows = query("SELECT job, answer, worker FROM results ORDER BY job")
            self.answer(200, [{"job": job, "answer": answer, "worker": worker} for job, answer, worker in rows])
        elif self.path == "/release":
            self.answer(200, {"release": os.environ["RELEASE"], "forwarded": self.headers.get("X-Forwarded-For")})
        else:
            self.answer(404, {"error": "no such page"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/jobs":
            return self.answer(404, {"error": "no such page"})
        queue = open_queue()
        job = queue.incr("jobs:last")
        queue.rpush("jobs", json.dumps({"job": job, "text": body.decode()}))
        return self.answer(202, {"job": job})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *values):
        if self.path != "/healthy":
            say(request=form % values)


def serve():
    query(SCHEMA)
    server = ThreadingHTTPServer(("", PORT), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    say(state="serving", release=os.environ["RELEASE"])
    server.serve_forever()
    say(state="ended")


def work():
    running = threading.Event()
    running.set()
    signal.signal(signal.SIGTERM, lambda *_: running.clear())
    queue = open_queue()
    say(state="working")
    while running.is_set():
        taken = queue.blpop("jobs", timeout=1)
        if taken is None:
            continue
        job = json.loads(taken[1])
        query(
            "INSERT INTO results VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            job["job"], job["text"].upper(), socket.gethostname(),
        )
        say(job=job["job"])
    say(state="ended")


def probe():
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/healthy", timeout=4) as answer:
        return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    sys.exit({"serve": serve, "work": work, "probe": probe}[sys.argv[1]]())
