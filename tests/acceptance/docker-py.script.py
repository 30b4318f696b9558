"""Uses a PostgreSQL container through docker-py as scripts do; fails with a traceback when anything is not so.

usage: docker-py.script.py IMAGE
"""
import io
import sys
import tarfile
import threading
import time

import docker

image = sys.argv[1]
client = docker.from_env(timeout=60)
assert client.ping()

started = time.time() - 1
network = client.networks.create("py-net", driver="bridge", labels={"made": "by-py"})
volume = client.volumes.create("py-data", labels={"made": "by-py"})
container = client.containers.create(
    image,
    name="py-database",
    environment={"DATABASE_USER": "py", "DATABASE_PASSWORD": "not-a-secret"},
    ports={"5432/tcp": ("127.0.0.1", None)},
    volumes={"py-data": {"bind": "/var/lib/postgresql/data", "mode": "rw"}},
    network="py-net",
    labels={"made": "by-py"},
    mem_limit="512m",
    shm_size="128m",
)
assert container.status == "created", container.status

lines = []
container.start()
follower = threading.Thread(target=lambda: lines.extend(container.logs(stream=True, follow=True)), daemon=True)
follower.start()


def until(what, probe, seconds=60):
    end = time.time() + seconds
    while time.time() < end:
        value = probe()
        if value:
            return value
        time.sleep(0.2)
    raise AssertionError(what)


def health():
    container.reload()
    return container.attrs["State"]["Health"]["Status"] == "healthy"


until("healthy", health)


def psql(text):
    code, output = container.exec_run(["psql", "-U", "py", "-At", "-c", text], demux=True)
    assert code == 0, output
    return (output[0] or b"").decode().strip()


psql("CREATE TABLE t AS SELECT generate_series(1, 100) AS n")
assert psql("SELECT sum(n) FROM t") == "5050"
code, output = container.exec_run("psql -U py -c nonsense")
assert code == 1 and b"syntax error" in output, output

chunks = container.exec_run("sh -c 'for i in 1 2 3; do echo $i; done'", stream=True).output
assert b"".join(chunks) == b"1\n2\n3\n"

stream = container.stats(stream=True, decode=True)
samples = [next(stream), next(stream)]
assert samples[1]["memory_stats"]["usage"] > 1000000, samples[1]["memory_stats"]
assert samples[1]["cpu_stats"]["cpu_usage"]["total_usage"] >= samples[0]["cpu_stats"]["cpu_usage"]["total_usage"]
assert "eth0" in samples[1]["networks"]
stream.close()

archive = io.BytesIO()
with tarfile.open(fileobj=archive, mode="w") as tar:
    script = b"SELECT count(*) FROM t;\n"
    entry = tarfile.TarInfo("ask.sql")
    entry.size = len(script)
    tar.addfile(entry, io.BytesIO(script))
assert container.put_archive("/tmp", archive.getvalue())
assert container.exec_run("psql -U py -At -f /tmp/ask.sql").output == b"100\n"
bits, stat = container.get_archive("/tmp/ask.sql")
with tarfile.open(fileobj=io.BytesIO(b"".join(bits))) as tar:
    assert tar.extractfile("ask.sql").read() == script
assert stat["name"] == "ask.sql" and stat["size"] == len(script), stat

second = client.networks.create("py-second")
second.connect(container, aliases=["storage"])
container.reload()
assert set(container.attrs["NetworkSettings"]["Networks"]) == {"py-net", "py-second"}
asked = client.containers.run(
    image,
    entrypoint=["psql", "-At", "postgresql://py:not-a-secret@storage/py", "-c", "SELECT 'over ' || 'the network'"],
    network="py-second",
    remove=True,
)
assert asked == b"over the network\n", asked
second.disconnect(container)
second.remove()

assert b"ready to accept connections" in next(
    chunk
    for chunk in client.api.attach(container.id, stdout=True, stderr=True, stream=True, logs=True)
    if b"ready" in chunk
)
attached = client.api.attach(container.id, stdout=True, stderr=True, stream=True)
time.sleep(0.3)
container.exec_run("psql -U py -c attached_nonsense")
assert b"attached_nonsense" in next(iter(attached))

top = container.top()
assert any("postgres" in " ".join(process) for process in top["Processes"]), top
assert any(change["Path"] == "/tmp/ask.sql" for change in container.diff())
container.pause()
container.reload()
assert container.status == "paused"
container.unpause()
container.rename("py-renamed")
container.update(mem_limit="600m", memswap_limit="600m")
committed = container.commit("py-committed", "v1")
assert committed.tags == ["py-committed:v1"]
container.restart(timeout=20)
until("healthy again", health)
assert psql("SELECT count(*) FROM t") == "100"

waited = []
waiter = threading.Thread(target=lambda: waited.append(container.wait(timeout=60)), daemon=True)
waiter.start()
time.sleep(0.2)
container.stop(timeout=30)
waiter.join(60)
assert waited and waited[0]["StatusCode"] == 0, waited
follower.join(60)
assert not follower.is_alive()
assert any(b"ready to accept connections" in line for line in lines)
assert any(b"shut down" in line for line in lines)

events = [
    event["Action"]
    for event in client.events(since=int(started), until=int(time.time()) + 1, decode=True, filters={"container": container.id})
]
for action in ["create", "start", "pause", "unpause", "rename", "update", "commit", "restart", "kill", "die", "stop"]:
    assert action in events, (action, events)

container.remove()
client.images.remove("py-committed:v1")
assert client.volumes.prune(filters={"all": "true", "label": "made=by-py"})["VolumesDeleted"] == ["py-data"]
assert client.networks.prune(filters={"label": "made=by-py"})["NetworksDeleted"] == ["py-net"]
assert client.containers.prune()["ContainersDeleted"] is None
assert client.containers.list(all=True) == []
print("ok", docker.__version__)
