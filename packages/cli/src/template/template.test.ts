import assert from 'node:assert/strict';
import { it } from 'node:test';
import { compileTemplate } from './evaluate.ts';

const data = {
  ID: 'abc',
  Names: ['x', 'y'],
  State: { Status: 'running', Running: true, Code: 0 },
  Labels: { b: '2', a: '1' },
  Ports: { '80/tcp': [{ HostPort: '8080' }], '90/tcp': null },
  None: null,
  Label: (name: string) => `label-${name}`,
};

const cases: readonly [string, string][] = [
  ['{{.ID}}', 'abc'],
  ['{{json .State}}', '{"Status":"running","Running":true,"Code":0}'],
  ['{{.State.Status}} {{.State.Code}}', 'running 0'],
  ['{{.Names}} {{.Labels}} {{.None}}', '[x y] map[a:1 b:2] <nil>'],
  ['{{range .Names}}{{.}};{{end}}', 'x;y;'],
  ['{{range $i, $n := .Names}}{{$i}}={{$n}} {{end}}', '0=x 1=y '],
  ['{{range $k, $v := .Labels}}{{$k}}={{$v}} {{end}}', 'a=1 b=2 '],
  ['{{range .None}}x{{else}}none{{end}}', 'none'],
  ['{{if .State.Running}}up{{else}}down{{end}}', 'up'],
  ['{{if eq .ID "x"}}1{{else if eq .ID "abc"}}2{{else}}3{{end}}', '2'],
  ['{{if and .State.Running (gt (len .Names) 1)}}many{{end}}', 'many'],
  ['{{with .State}}{{.Status}}{{$.ID}}{{end}}', 'runningabc'],
  ['{{index .Labels "a"}}{{index .Names 1}}', '1y'],
  ['{{(index (index .Ports "80/tcp") 0).HostPort}}', '8080'],
  ['{{join .Names ","}} {{.ID | upper}} {{lower "ABC"}}', 'x,y ABC abc'],
  ['{{printf "%-5s|%5d|%q|%x" .ID .State.Code .ID 255}}', 'abc  |    0|"abc"|ff'],
  ['{{println .ID 1}}', 'abc 1\n'],
  ['a {{- .ID -}} b', 'aabcb'],
  ['{{/* nothing */}}{{$x := .ID}}{{$x}}', 'abc'],
  ['{{.Label "n"}}', 'label-n'],
  ['{{slice .ID 0 2}}{{truncate .ID 1}}', 'aba'],
  ['{{"{{"}}', '{{'],
  ['{{not .None}} {{or .None .ID}}', 'true abc'],
];

for (const [source, wanted] of cases) {
  it(source, () => assert.equal(compileTemplate(source)(data), wanted));
}

it('refuses what is wrong', () => {
  for (const bad of [
    '{{',
    '{{.ID',
    '{{if .ID}}',
    '{{end}}',
    '{{nope .ID}}',
    '{{.Nope}}',
    '{{(.ID}}',
    '{{.None.X}}',
    '{{|}}',
  ]) {
    assert.throws(() => compileTemplate(bad)(data), { name: 'TemplateError' }, bad);
  }
});
