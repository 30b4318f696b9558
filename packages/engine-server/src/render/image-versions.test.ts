import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ImageInspect, ImageSummary } from '@berth/engine-api';
import { inspectedAt, listedAt } from './image-versions.ts';

const Descriptor = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: 'sha256:0', size: 1 };

test('a listed image in the words of each API version', () => {
  const image: ImageSummary = {
    Id: 'sha256:0',
    ParentId: '',
    RepoTags: [],
    RepoDigests: [],
    Created: 0,
    Size: 7,
    SharedSize: -1,
    Containers: 2,
    Labels: {},
    Descriptor,
  };
  assert.deepEqual(listedAt('1.51', image), image);
  assert.deepEqual(listedAt('1.50', image), { ...image, Containers: -1 });
  const { Descriptor: _, ...old } = image;
  assert.deepEqual(listedAt('1.44', image), { ...old, Containers: -1 });
  assert.deepEqual(listedAt('1.43', image), { ...old, Containers: -1, VirtualSize: 7 });
  assert.deepEqual(listedAt('1.42', image).RepoTags, ['<none>:<none>']);
  assert.deepEqual(listedAt('1.42', { ...image, RepoTags: ['a:b'] }).RepoDigests, []);
});

test('an inspected image always has the fields of a configuration that clients index', () => {
  const image = { Config: { Cmd: ['sh'] }, Size: 7, Descriptor } as unknown as ImageInspect;
  assert.deepEqual(inspectedAt('1.51', { ...image, Config: null }).Config, {
    Cmd: null,
    Entrypoint: null,
    Env: null,
    Labels: null,
    OnBuild: null,
    User: '',
    Volumes: null,
    WorkingDir: '',
  });
  const at143 = { ...inspectedAt('1.43', image) };
  assert.equal('Descriptor' in at143, false);
  assert.deepEqual([at143.VirtualSize, at143.Created], [7, '0001-01-01T00:00:00Z']);
  const config = { ...at143.Config } as Record<string, unknown>;
  assert.deepEqual([config['Cmd'], config['AttachStdin'], config['Hostname']], [['sh'], false, '']);
});
