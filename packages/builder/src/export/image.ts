import type { CallOptions } from '@berth/base';
import type { ImageHandle, ImageService } from '@berth/images';
import { type ConfigHistory, digestOf, type ImageConfigDocument, parseDigest } from '@berth/oci';
import type { BuildCache } from '../cache/build-cache.ts';
import { type BuildPlan, historyOf, type PlanStep } from '../frontend/plan.ts';
import type { LayersRef } from '../ops/refs.ts';

export interface ExportInput {
  readonly plan: BuildPlan;
  readonly root: LayersRef;
  /** Hash of what a COPY or ADD step copied. */
  readonly contentOf: (step: PlanStep) => Promise<string | undefined>;
  readonly names: readonly string[];
  readonly noCache: boolean;
}

/** Stores the built image: configuration, manifest, names. Building the same again from the cache gives the same image. */
export async function exportImage(
  deps: { readonly images: ImageService; readonly cache: BuildCache },
  input: ExportInput,
  options: CallOptions,
): Promise<ImageHandle> {
  const undated = await describe(input, '');
  const created = deps.cache.firstMade(digestOf(JSON.stringify(undated)), input.noCache).toISOString();
  const { base } = input.plan;
  return await deps.images.create(
    {
      config: await describe(input, created),
      layers: input.root.layers.map((layer) => layer.descriptor),
      names: input.names,
      ...(base === undefined ? {} : { parent: parseDigest(base.id) }),
    },
    options,
  );
}

async function describe(input: ExportInput, created: string): Promise<ImageConfigDocument> {
  const { plan, root } = input;
  const { base, platform, author } = plan;
  const { author: baseAuthor, ...inherited } = base?.config ?? {};
  const by = author ?? baseAuthor;
  return {
    ...inherited,
    created,
    ...(by === undefined ? {} : { author: by }),
    architecture: base?.config.architecture ?? platform.architecture,
    os: base?.config.os ?? platform.os,
    ...(platform.variant === undefined || base ? {} : { variant: platform.variant }),
    config: plan.config,
    rootfs: { type: 'layers', diff_ids: root.layers.map((layer) => layer.diffId) },
    history: [...(base?.config.history ?? []), ...(await history(input, created))],
  };
}

async function history(input: ExportInput, created: string): Promise<readonly ConfigHistory[]> {
  const { plan, root } = input;
  const baseLayers = plan.base?.config.rootfs.diff_ids.length ?? 0;
  const entries: ConfigHistory[] = [];
  let done = 0;
  for (const step of plan.history) {
    let layer = false;
    if (step.vertex) {
      layer = (root.trail[done] ?? 0) > (done === 0 ? baseLayers : (root.trail[done - 1] ?? 0));
      done++;
    }
    entries.push(historyOf(step, created, await input.contentOf(step), layer));
  }
  return entries;
}
