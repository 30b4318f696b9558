/** `berth X` must print what `docker X` prints, on the same daemon, and end with the same exit code. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { missing, run, startDaemon, type TempDirectory, type TestDaemon, tempDirectory } from '../harness/index.ts';
import { normalise, runBoth, words } from './cli-kit.ts';

/**
 * A line is one command line, run by both. `$D` is a directory of files. What follows `<<<` is its input, with `\n` for
 * a new line. Lines that begin with `!` are run by docker alone before each of the two: they set the scene.
 * `web` runs, `idle` was created, `done` has ended with code 3; volumes `v1`, `v2`; networks `n1`; image `two:1`.
 */
const LINES = `
ps
ps -a
ps -aq
ps -a --no-trunc
ps -s
ps -l
ps -n 2
ps -a --format '{{.ID}} {{.Names}} {{.Label "a"}}'
ps -a --format 'table {{.Names}}\\t{{.Image}}\\t{{.State}}'
ps -a --format json
ps -a --format '{{json .}}'
ps -a --format 'table {{.Names}}\\t{{.Platform}}'
ps -a --format '{{json .Platform}}'
ps -a --format '{{.Nope}}'
ps -a --format '{{.ID'
ps --filter name=web
ps -a --filter status=created
ps -a --filter label=a=b --filter name=we
ps -a --filter bogus=1
ps -a --filter bogus
ps --bad
ps extra
container ls -a
container list -q
images
images -q
images --no-trunc
images --digests
images -a --format '{{.Repository}}:{{.Tag}} {{.Size}}'
images --format json
images two
images two:1
images 'tw*'
images nosuch
images --filter reference=two
images --filter dangling=true
images --filter before=two:1
image ls
image list
inspect web
inspect -f '{{.State.Status}}' web
inspect -f '{{json .Config.Env}}' web
inspect -f '{{range .Mounts}}{{.Type}} {{.Destination}}{{end}}' web
inspect -f '{{index .Config.Labels "a"}}' web
inspect -f '{{.Nope}}' web
inspect -f '{{.NetworkSettings.Networks.none.EndpointID}}' web
inspect -f '{{if .State.Running}}up{{else}}down{{end}} {{len .Mounts}} {{printf "%d %s" .RestartCount .Name}}' web idle
inspect --size -f '{{.SizeRw}}' idle
inspect --type image web
inspect --type container two:1
inspect --type bogus web
inspect nope
inspect -f '{{.Name}}' web nope
inspect v1
inspect n1
inspect
container inspect web
container inspect nope
image inspect two:1
image inspect nope
image inspect -f '{{.Os}}/{{.Architecture}} {{.Config.Cmd}}' two:1
volume inspect v1
volume inspect nope
network inspect none
network inspect n1 -f '{{.Driver}} {{range .IPAM.Config}}{{.Subnet}}{{end}}'
network inspect nope
logs web
logs -t web
logs --tail 1 web
logs -n 0 web
logs --tail x web
logs --since 1h done
logs --until 1h done
logs --details web
logs nope
logs -f done
exec web echo hi
exec web sh -c 'echo out; echo err >&2; exit 9'
exec -i web cat <<< one\\ntwo\\n
exec web nosuch
exec web /etc
exec -e A=5 -w /tmp -u 1 web sh -c 'echo $A; pwd; id -u'
exec --env-file $D/env web env
exec -d web true
exec idle true
exec nope true
exec web
exec
exec -t web tty
exec -it web true
exec -u nosuch web true
exec -w /nosuch web true
exec --privileged web grep CapEff /proc/self/status
top web
top web -o pid,comm
top idle
diff web
diff nope
port web
port pub
port pub 80
port pub 80/tcp
port pub 81
port idle
history two:1
history --no-trunc -q two:1
history --format '{{.CreatedBy}}' two:1
history --human=false two:1
history nope
volume ls
volume ls -q
volume ls --filter name=v1
volume ls --format '{{.Name}} {{.Driver}} {{.Labels}}'
volume ls --format json
network ls
network ls -q --no-trunc
network ls --filter driver=bridge
network ls --format '{{.Name}} {{.Driver}} {{.Scope}}'
system df
system df --format '{{.Type}} {{.TotalCount}} {{.Active}}'
system df -v
info -f '{{.Driver}} {{.OSType}}'
info -f '{{.Nope}}'
version -f '{{.Server.APIVersion}}'
version -f '{{.Server.Version}}'
events --since 0s --until 0s
stats --no-stream --format '{{.Name}} {{.Container}}' web
stats --no-stream nope
create --name web busybox true
create nosuch:image true
create
create --name 'a b' busybox
run
run nosuch:image
run --rm --network none busybox sh -c 'echo a; echo b >&2; exit 3'
run --rm --network none busybox nosuch
run --rm --network none busybox /etc/passwd
run --rm --network none busybox /tmp
run --rm --network none busybox sh -c 'kill -9 $$'
run --rm --network none busybox sh -c 'kill -15 $$'
run --rm -i --network none busybox cat <<< some\\ninput\\n
run --rm -i --network none busybox head -n1 <<< one\\ntwo\\n
run --rm -a stdout --network none busybox sh -c 'echo out; echo err >&2'
run --rm -a stderr --network none busybox sh -c 'echo out; echo err >&2'
run --rm -t --network none busybox tty
run --rm -it --network none busybox tty
run --rm --network none --entrypoint /bin/echo busybox x y
run --rm --network none --mount type=tmpfs,dst=/m,tmpfs-size=1m busybox df /m
run --rm --network none -v $D:/d:ro busybox cat /d/file
run --rm --network none -v v1:/v busybox touch /v/x
run --rm --network none --env-file $D/env -e C=3 busybox env
run --rm --network none -w /nosuch/dir busybox pwd
run --rm --network none --hostname h busybox hostname
run --rm --network none --add-host a:1.2.3.4 busybox grep a /etc/hosts
run --rm --network none --init busybox ps -o pid,comm
run --rm --network none --read-only busybox touch /x
run --rm --network none --stop-signal BOGUS busybox true
run --rm --network nosuch busybox true
run --rm --network n1 --ip 10.213.7.50 busybox ip route
run --rm --network n1 --ip 10.213.7.77 busybox hostname -i
run --rm --network container:web busybox true
run --rm --network container:nope busybox true
run --rm --name tmp3 -p 127.0.0.1:1:80 -p 127.0.0.1:1:80 busybox true
run --rm --memory 1m busybox true
run --rm --cpus 999 busybox true
run --rm --gpus all busybox true
run --rm --runtime nosuch busybox true
run --rm --log-driver nosuch busybox true
run --rm --user nosuch busybox true
run --rm --mount type=bind,src=/nosuch,dst=/x busybox true
run --restart always --rm busybox
run --pull never nosuch:image
run -d --name web busybox
start nope
start web
!rm -f tmp
!create --name tmp --network none busybox sh -c 'echo hi; exit 4'
start -a tmp
!rm -f tmp
!create --name tmp --network none busybox true
start tmp
!rm -f tmp
!create -i --name tmp --network none busybox cat
start -ai tmp <<< typed\\n
start -a web idle
stop nope
stop -t 0 done
stop -t x web
!rm -f tmp
!run -d --name tmp --network none busybox sleep 100
stop -t 0 tmp
!rm -f tmp
!run -d --name tmp --network none busybox sleep 100
kill -s KILL tmp
kill nope
kill done
kill -s BOGUS web
!rm -f tmp
!run -d --name tmp --network none busybox sleep 100
restart -t 0 tmp
!unpause tmp
pause tmp
!unpause web
pause web idle
!pause web
unpause web
unpause idle
wait done
wait nope
wait done nope
rename web
rename nope other
rename idle web
!rm -f tmp tmp2
!create --name tmp busybox true
rename tmp tmp2
update --memory 64m --memory-swap 64m idle
update --restart always --cpus 0.5 idle
update idle
update --memory 64m nope
rm web
rm nope
rm
!create --name tmp busybox true
rm tmp
!create --name tmp busybox true
rm -fv tmp nope
rm -f nope
!rmi -f three:1
commit -m msg -a me -c 'ENV X=1' done three:1
commit nope
commit web 'Bad Name'
tag two:1 three:2
tag nope x:1
tag two:1 'Bad'
!tag two:1 three:3
rmi three:3
rmi nope
!tag two:1 three:7
rmi three:7 nope
!tag two:1 three:4
image rm three:4
image rm -f nope
import $D/tree.tar three:5
import - three:6 <<< x
import $D/nosuch three:6
load -i $D/nosuch
load -i $D/file
load
save
save nope
!save -o $D/two.tar two:1
load -i $D/two.tar
load -qi $D/two.tar
export nope
cp nope:/x $D
cp web:/nope $D
cp $D/nosuch web:/x
cp $D/file web:/nosuch/dir/
cp $D/file web:/nosuch/x
cp $D/file web:/tmp/
cp $D/file web:/tmp/other
cp -q $D/file web:/tmp/other
cp -a $D/tree web:/tmp/
cp $D/tree/. web:/tmp/content
cp web:/etc/passwd $D/passwd
cp web:/etc $D/etcdir
cp web:/etc/. $D/etccontent
cp -L web:/bin/sh $D/sh
cp web:/etc/passwd $D/nosuchdir/
cp web:/etc/passwd -
cp $D/file $D/other
cp web:/a idle:/b
cp
cp -q web:/etc/passwd $D/passwd
volume create v1
!volume rm -f v3
volume create --label a=b -o type=tmpfs -o device=tmpfs v3
volume create --driver nosuch v9
volume create 'bad name'
volume rm nope
volume rm -f nope
volume rm v1x v2x
volume rm
!volume create v4
volume rm v4
volume update v1
network create n1
!network rm -f n2
network create --subnet 10.213.8.0/24 --gateway 10.213.8.1 --label x=y n2
network create --subnet bogus n3
network create --driver nosuch n3
network create
network rm nope
network rm bridge
!network create n4
network rm n4
network connect nope web
network connect n1 nope
network disconnect n1 idle
network disconnect -f nope web
network connect n1 web
pull nosuch.invalid/x:1
pull 'Bad Name'
pull
push 'Bad Name'
push nosuch-local-image
search
system df extra
bogus
container bogus
container
network
logout localhost:1
container prune -f --filter label=nosuch
image prune -f --filter label=nosuch
volume prune -f --filter label=nosuch
network prune -f --filter label=nosuch
system prune -f --filter label=nosuch
container prune
`
  .trim()
  .split('\n');

/** Where berth differs for a reason. */
const OTHERWISE: Readonly<Record<string, string>> = {
  container: 'summaries in words of our own',
  network: 'summaries in words of our own',
};

interface Case {
  readonly line: string;
  readonly before: readonly string[];
}

function cases(): readonly Case[] {
  const found: Case[] = [];
  let scene: string[] = [];
  for (const line of LINES) {
    if (line.startsWith('!')) scene.push(line.slice(1));
    else {
      found.push({ line, before: scene });
      scene = [];
    }
  }
  return found;
}

describe('the same words for docker and berth', { concurrency: 1, skip: missing('docker') }, () => {
  let daemon: TestDaemon;
  let files: TempDirectory;
  before(async () => {
    daemon = await startDaemon();
    files = await tempDirectory('cli');
    await daemon.seedBusybox();
    await writeFile(join(files.path, 'env'), '# comment\nFILE=1\nNOT_THERE\n');
    await writeFile(join(files.path, 'file'), 'content\n');
    await mkdir(join(files.path, 'tree/sub'), { recursive: true });
    await writeFile(join(files.path, 'tree/sub/leaf'), 'leaf\n');
    await run('tar', ['-cf', join(files.path, 'tree.tar'), '-C', join(files.path, 'tree'), '.']);
    await writeFile(join(files.path, 'Dockerfile'), 'FROM busybox\nCMD ["/bin/sh"]\nLABEL l=1\n');
    await writeFile(join(files.path, '.dockerignore'), '*\n!Dockerfile\n');
    await daemon.ok(['build', '-q', '-t', 'two:1', files.path]);
    await daemon.ok(['network', 'create', '--subnet', '10.213.7.0/24', 'n1']);
    for (const name of ['v1', 'v2']) await daemon.ok(['volume', 'create', '--label', 'x=y', name]);
    const script = 'echo out; echo err >&2; touch /new; rm /etc/group; exec sleep 1000';
    await daemon.ok(words(`run -d --name web --network none -l a=b -v /data -e X=1 busybox sh -c '${script}'`));
    await daemon.ok(words(`create --name idle --network none busybox true`));
    await daemon.ok(words(`run -d --name pub -p 127.0.0.1::80 -p 127.0.0.1::81/udp busybox sleep 1000`));
    await daemon.docker(words(`run --name done --network none busybox sh -c 'echo bye; exit 3'`));
  });
  after(async () => {
    try {
      await daemon?.removeContainers();
      await daemon?.assertClean();
    } finally {
      await daemon?.[Symbol.asyncDispose]();
      await files?.[Symbol.asyncDispose]();
    }
  });

  for (const { line, before: scene } of cases()) {
    test(line, { skip: OTHERWISE[line] ?? false }, async () => {
      const [call = '', input = ''] = line.split(' <<< ');
      const set = async () => {
        for (const step of scene) await daemon.docker(words(step.replaceAll('$D', files.path)));
      };
      await set();
      const options = {
        env: { ...daemon.env, BERTH_HOST: undefined },
        input: input.replaceAll('\\n', '\n'),
        timeoutMs: 30_000,
      };
      const { docker, berth } = await runBoth(words(call.replaceAll('$D', files.path)), options, set);
      const seen = ({ code, stdout, stderr }: typeof docker) => ({
        code,
        stdout: normalise(stdout, VARYING).split('\n'),
        stderr: normalise(stderr, VARYING).split('\n'),
      });
      assert.deepEqual(seen(berth), seen(docker));
    });
  }
});

/** What changes from one run to the next. */
const VARYING = [
  // Go quotes these in JSON.
  [/\\u003c/g, '<'],
  [/\\u003e/g, '>'],
  [/"Platform":null,/g, ''],
  // An image's containers are counted from API 1.51 on, which a docker CLI before 28.3 does not speak.
  [/"Containers":"(N\/A|\d+)"/g, '"Containers":"<count>"'],
  // Both say which field is missing; docker names Go types, we do not have any.
  [/(template: :\d+:\d+: executing "" at <[^>]+>): .*/g, '$1'],
  [/^(failed to (parse|execute) template|template parsing error): |^(?=template: )/gm, '<template> '],
  [/(<template> )(template: :\d+: )?(unclosed action)/g, '$1$3'],
  [/unknown type: "bogus".*/g, '<unknown type>'],
  [/strconv.Parse\w+: parsing ("[^"]*"): [a-z ]+/g, '$1 <does not parse>'],
  [/("[^"]*") is (not a whole number|neither true nor false)/g, '$1 <does not parse>'],
  [/no such directory: \S+/g, 'no such directory'],
  [/^time=.*level=error.*\n/gm, ''],
  [/^exit status 1\n/gm, ''],
  [/^Did you mean .*\n\n/gm, ''],
  [/^(Usage: {2}\w+ \w+) COMMAND$/gm, '$1'],
] as const;
