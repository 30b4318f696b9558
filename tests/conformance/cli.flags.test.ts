/** `berth create FLAGS` must ask the daemon for exactly what `docker create FLAGS` asks for. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { missing, type TempDirectory, tempDirectory } from '../harness/index.ts';
import { meant, normalise, type RecordingDaemon, recordingDaemon, runBoth, words } from './cli-kit.ts';

/** One line, one `create`; `$D` is a directory with the files env, labels and seccomp.json. */
const LINES = `
--add-host a:1.2.3.4 --add-host b=1.2.3.5 --add-host c=[::1] --add-host gw:host-gateway
--add-host a
--annotation x=y --annotation z
-a stdout -a STDERR
-a bogus
--blkio-weight 300
--blkio-weight-device /dev/sda:200
--blkio-weight-device /dev/sda
--blkio-weight-device sda:200
--cap-add NET_ADMIN --cap-add sys_time --cap-drop ALL
--cgroup-parent /x --cgroupns private
--cgroupns bogus
--cpu-period 1000 --cpu-quota 2000 --cpu-rt-period 10 --cpu-rt-runtime 5 -c 512
--cpus 1.5
--cpus 0.000000001
--cpus 1/3
--cpus bogus
--cpu-count 2 --cpu-percent 50
--cpuset-cpus 0-1 --cpuset-mems 0
--device /dev/null
--device /dev/null:/dev/nil
--device /dev/null:/dev/nil:r
--device /dev/null:rw
--device vendor.com/class=name
--device /a:/b:c:d
--device /dev/null:/dev/x:bogus
--device dev/null
--device-cgroup-rule "c 1:3 rwm"
--device-cgroup-rule bogus
--device-read-bps /dev/sda:1mb --device-write-bps /dev/sda:2k
--device-read-iops /dev/sda:100 --device-write-iops /dev/sda:200
--device-read-bps /dev/sda
--device-read-bps sda:1
--device-read-bps /dev/sda:x
--device-read-iops /dev/sda:x
--disable-content-trust
--dns 1.1.1.1 --dns 8.8.8.8 --dns-option ndots:2 --dns-search a.b
--dns bogus
--dns-search bogus!
--dns-search .
--domainname x.y
--entrypoint sh
--entrypoint ""
-e A=1 -e B= -e BERTH_TEST_A -e BERTH_TEST_UNSET
-e ""
-e =x
-e A
--env-file $D/env
--env-file $D/env -e FILE=over
--env-file $D/nosuch
--env-file $D/badenv
--expose 80 --expose 90-92/udp
--expose x
--expose 80:81
-p 8080:80
-p 80
-p 127.0.0.1:8080:80
-p 127.0.0.1::80/udp
-p [::1]:8080:80
-p 8000-8002:80-82
-p 8000-8010:80
-p 8080:80/sctp -p 8081:80
-p 8000-8001:80-82
-p 99999:80
-p x:80
-p 80/bogus
-p 1.2.3:80:80
-p published=8080,target=80
-p target=80,protocol=udp,mode=host
-P
--gpus all
--gpus 2
--gpus '"device=0,1"'
--gpus driver=nvidia,count=1,capabilities=utility
--group-add 10 --group-add video
--health-cmd "curl x" --health-interval 5s --health-timeout 1m30s --health-retries 3 --health-start-period 2s --health-start-interval 100ms
--no-healthcheck
--no-healthcheck --health-cmd x
--health-interval -1s
--health-retries -1
--health-interval x
-h host
--hostname host.x.y
--init
--init=false
-i
-t
-it
--ip 10.0.0.5
--network n --ip 10.0.0.5 --ip6 fd00::5 --link-local-ip 169.254.1.1
--network n --network-alias a --network-alias b
--network n --mac-address 02:42:ac:11:00:02
--mac-address 02:42:ac:11:00:02
--mac-address bogus
--network name=n,alias=a,ip=10.0.0.6,driver-opt=x=y,mac-address=02:42:ac:11:00:03
--network name=n,gw-priority=5
--network n --network m
--network name=n,alias=x --network name=m,ip=10.1.0.2
--network name=n,bogus=x
--network alias=x
--network none
--network host
--network container:x
--network host --network n
--network n --network n
--network none --network n
--network-alias a
--network n --link x:y
--link x:y --link z
--ipc host
--ipc shareable
--ipc container:x
--ipc bogus
--isolation default
--kernel-memory 64m
-l a=b -l c --label-file $D/labels
--log-driver none
--log-driver none --log-opt a=b
--log-opt max-size=1m --log-opt max-file=2
-m 64m --memory-reservation 32m --memory-swap 128m --memory-swappiness 50
--memory 1.5g --memory-swap -1
--memory bogus
--memory -5
--memory-swap -2
--mount type=bind,src=/a,dst=/b,readonly
--mount type=bind,source=/a,target=/b,bind-propagation=rshared,ro=false
--mount type=bind,src=/a,dst=/b,bind-recursive=disabled
--mount type=bind,src=/a,dst=/b,readonly,bind-propagation=rprivate,bind-recursive=readonly
--mount type=bind,src=/a,dst=/b,bind-recursive=readonly
--mount type=bind,src=/a,dst=/b,bind-nonrecursive
--mount type=bind,src=/a,dst=/b,bind-recursive=bogus
--mount type=bind,dst=/b
--mount type=bind,src=rel,dst=/b
--mount type=volume,src=v,dst=/b,volume-nocopy,volume-label=a=b,volume-driver=local,volume-opt=o=bind,volume-opt=type=none
--mount type=volume,src=v,dst=/b,volume-subpath=x/y
--mount dst=/b
--mount src=v,dst=/b
--mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770
--mount type=tmpfs,dst=/t,tmpfs-mode=9
--mount type=tmpfs,dst=/t,tmpfs-size=x
--mount type=tmpfs,dst=/t,volume-nocopy
--mount type=bind,src=/a,dst=/b,tmpfs-size=1m
--mount type=image,src=i,dst=/b,image-subpath=x
--mount type=bogus,dst=/b
--mount bogus
--mount type=bind,src=/a
--mount type=bind,src=/a,dst=/b,bogus=1
--mount type=bind,src=/a,dst=/b,ro=x
--mount type=bind,src=/a,dst=/b,consistency=cached
--mount '"type=bind","src=/a,b","dst=/b"'
--mount ""
--name x
--oom-kill-disable
--oom-score-adj 500
--oom-score-adj x
--pid host
--pid container:x
--pid bogus
--pids-limit 10
--platform linux/amd64
--privileged
--read-only
--restart always
--restart on-failure:3
--restart unless-stopped
--restart on-failure:x
--restart on-failure:1:2
--restart bogus
--restart :1
--restart always --rm
--rm
--runtime runc
--security-opt no-new-privileges
--security-opt no-new-privileges:false
--security-opt seccomp=unconfined
--security-opt seccomp=$D/seccomp.json
--security-opt seccomp=$D/nosuch.json
--security-opt label:type:x --security-opt apparmor=unconfined
--security-opt systempaths=unconfined
--security-opt bogus
--shm-size 64m
--shm-size x
--stop-signal KILL --stop-timeout 5
--stop-timeout -1
--storage-opt size=1G
--storage-opt size
--sysctl net.ipv4.ip_forward=1 --sysctl a
--tmpfs /t --tmpfs /u:size=1m,mode=700
--ulimit nofile=100:200 --ulimit nproc=5
--ulimit nofile=-1
--ulimit bogus=1
--ulimit nofile=200:100
--ulimit nofile
--ulimit nofile=x
-u root
-u 1:2
--userns host
--userns bogus
--uts host
--uts bogus
-v /a:/b
-v /a:/b:ro,z
-v vol:/b
-v /anon
-v ./rel:/b
-v /a:/b -v /c
-v /a:/b:rshared
-v a:b:c:d
-v :/b
-v ""
-v ../x:/b
-v vol:/b:nocopy
--volume-driver local -v vol:/b
--volumes-from x --volumes-from y:ro
-w /w
--pull never
--pull bogus
-q
--cidfile $D/env
--bogus
-Z
--memory
--net none --net-alias x
--io-maxbandwidth 1m --io-maxiops 5
--help=false
--add-host a:x
--ulimit nofile=1:2:3
--ulimit nofile=-1:5
--memory 1x
--memory-swappiness 500
--blkio-weight-device /dev/sda:5
--link a:b:c
--link ""
--label =x
--sysctl ""
--env-file $D/badname
--label-file $D/nosuch
--gpus x
--gpus bogus=1
--mount type=bind,src=/a,dst=/b,readonly,bind-recursive=readonly
--network name=n,mac-address=x
--network name=n,gw-priority=x
--security-opt seccomp
-p 80-70:80
-p 80:x
-p :80
-p 0:80
-p ""
--cap-add ALL --cap-add chown
-ite A=1
-eA=1 -w/x
--tty=x
--pids-limit x
`
  .trim()
  .split('\n');

/** Where berth differs for a reason. */
const OTHERWISE: Readonly<Record<string, string>> = {
  '--cpu-count 2 --cpu-percent 50': 'a flag of Windows alone is no flag here',
  '--network name=n,mac-address=x': 'berth names the flag that is wrong',
  '--io-maxbandwidth 1m --io-maxiops 5': 'a flag of Windows alone is no flag here',
};

/** Both programs' words for a value that does not parse. */
const WORDING = [
  [/strconv\.Parse\w+: parsing ("[^"]*"): [a-z ]+/g, '$1 <does not parse>'],
  [/("[^"]*") is (not a whole number|neither true nor false)/g, '$1 <does not parse>'],
  [/(invalid range format for --expose: \S+), error: .*/g, '$1'],
  [/(for "--mount" flag:) (EOF|empty)/g, '$1 <empty>'],
  // docker 28.5 of an empty port
  [/invalid proto: $/gm, 'no port specified: <empty>'],
] as const;

describe('create: what the daemon is asked for', { concurrency: 1, skip: missing('docker') }, () => {
  let daemon: RecordingDaemon;
  let files: TempDirectory;
  before(async () => {
    daemon = await recordingDaemon(() => ({ Id: 'f'.repeat(64), Warnings: [] }));
    files = await tempDirectory('flags');
    await writeFile(
      join(files.path, 'env'),
      '# comment\nFILE=1\n  SPACED=2 3\nBERTH_TEST_A\nBERTH_TEST_UNSET\n\nEMPTY=\n',
    );
    await writeFile(join(files.path, 'badenv'), 'A B=1\n');
    await writeFile(join(files.path, 'badname'), '=1\n');
    await writeFile(join(files.path, 'labels'), 'file=label\nalone\n# no\n');
    await writeFile(join(files.path, 'seccomp.json'), '{\n "defaultAction": "SCMP_ACT_ALLOW"\n}\n');
  });
  after(async () => {
    await daemon?.[Symbol.asyncDispose]();
    await files?.[Symbol.asyncDispose]();
  });

  for (const line of LINES) {
    test(`create ${line}`, { skip: OTHERWISE[line] ?? false }, async () => {
      const args = ['create', ...words(line.replaceAll('$D', files.path)), 'image', 'arg'];
      const env = {
        DOCKER_HOST: daemon.host,
        BERTH_HOST: undefined,
        DOCKER_CONFIG: files.path,
        BERTH_TEST_A: 'a',
        DOCKER_CLI_HINTS: 'false',
      };
      daemon.take();
      let asked: unknown;
      const { docker, berth } = await runBoth(args, { env, cwd: files.path }, async () => {
        asked = requests(daemon);
      });
      assert.deepEqual(
        { code: berth.code, stdout: berth.stdout, stderr: normalise(berth.stderr, WORDING) },
        { code: docker.code, stdout: docker.stdout, stderr: normalise(docker.stderr, WORDING) },
      );
      assert.deepEqual(requests(daemon), asked);
    });
  }
});

function requests(daemon: RecordingDaemon): unknown {
  return daemon.take().map(({ method, path, query, body }) => {
    const value =
      body.length === 0 ? {} : (JSON.parse(body.toString()) as { Env?: unknown; HostConfig?: Record<string, unknown> });
    // docker sends these in no certain order.
    if (Array.isArray(value.Env)) value.Env.sort();
    // The values docker sends for "not given".
    const host = value.HostConfig ?? {};
    if (host['MemorySwappiness'] === -1) host['MemorySwappiness'] = null;
    delete host['ConsoleSize'];
    const policy = host['RestartPolicy'] as { Name?: string } | undefined;
    if (policy?.Name === 'no') delete host['RestartPolicy'];
    if (host['NetworkMode'] === 'default') delete host['NetworkMode'];
    return { method, path, query, body: meant(value) };
  });
}
