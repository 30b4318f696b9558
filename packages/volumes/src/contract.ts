import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isKind } from '@berth/base';
import type { VolumeDriver } from './volume-driver.ts';

/** What every volume driver does. `make` gives a driver without volumes; disposing clears up after it. */
export function volumeDriverContract(
  name: string,
  make: () => Promise<{ readonly driver: VolumeDriver } & AsyncDisposable>,
): void {
  describe(`volume driver ${name}`, () => {
    it('keeps data between mounts', async () => {
      await using made = await make();
      const { driver } = made;
      await driver.create('data', {});
      const path = await driver.mount('data', 'one');
      await writeFile(join(path, 'file'), 'kept');
      await driver.unmount('data', 'one');
      const again = await driver.mount('data', 'two');
      assert.equal((await stat(join(again, 'file'))).size, 4);
      await driver.unmount('data', 'two');
    });

    it('creates twice without harm and lists once', async () => {
      await using made = await make();
      await made.driver.create('data', {});
      await made.driver.create('data', {});
      assert.deepEqual(await made.driver.list(), ['data']);
    });

    it('gives every consumer the same path, which it knows beforehand', async () => {
      await using made = await make();
      await made.driver.create('data', {});
      const paths = await Promise.all(['a', 'b', 'c'].map((consumer) => made.driver.mount('data', consumer)));
      assert.deepEqual(new Set(paths), new Set([made.driver.path('data')]));
      for (const consumer of ['a', 'b', 'c']) await made.driver.unmount('data', consumer);
    });

    it('refuses to remove a volume in use, and removes it afterwards', async () => {
      await using made = await make();
      await made.driver.create('data', {});
      await made.driver.mount('data', 'user');
      await assert.rejects(made.driver.remove('data'), (error) => isKind(error, 'conflict'));
      await made.driver.unmount('data', 'user');
      await made.driver.unmount('data', 'user');
      await made.driver.remove('data');
      await made.driver.remove('data');
      assert.deepEqual(await made.driver.list(), []);
    });

    it('says so when a volume is missing or an option unknown', async () => {
      await using made = await make();
      await assert.rejects(made.driver.mount('absent', 'user'), (error) => isKind(error, 'notFound'));
      await assert.rejects(made.driver.create('data', { nonsense: '1' }), (error) => isKind(error, 'invalid'));
      assert.deepEqual(await made.driver.list(), []);
    });

    for (const bad of ['', '..', '../up', 'a/b', '/abs', '.hidden', 'a\0b'])
      it(`refuses the name ${JSON.stringify(bad)}`, async () => {
        await using made = await make();
        await assert.rejects(made.driver.create(bad, {}), (error) => isKind(error, 'invalid'));
      });
  });
}
