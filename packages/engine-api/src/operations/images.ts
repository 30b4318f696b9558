import { operation } from '../operation.ts';
import { bool, filters, flag, int, json, obj, opt, str, strings } from '../schema.ts';
import { IdResponse, OciPlatform, ProgressMessage } from '../schemas/common.ts';
import { ContainerConfig } from '../schemas/config.ts';
import {
  DistributionInspect as Distribution,
  ImageDeleteItem,
  ImageHistoryItem,
  ImagePruneResponse,
  ImageSearchResult,
  ImageSummary,
  ImageInspect as Inspect,
} from '../schemas/images.ts';
import { Type } from '../type.ts';

/** `referrers` (not in docker's API): whether signatures and other referrers travel along; default as the daemon is set up. */
const referrers = opt(bool);

/** From API 1.48 a platform in a query is an OCI platform in JSON. */
const platform = () => json(OciPlatform);

export const ImageList = operation('ImageList', {
  query: obj({
    all: flag(),
    filters: filters(),
    filter: opt(str),
    'shared-size': flag(),
    digests: flag(),
    manifests: flag(),
  }),
  response: Type.Array(ImageSummary),
});
export const ImageSearch = operation('ImageSearch', {
  query: obj({ term: opt(str), limit: opt(int), filters: filters() }),
  response: Type.Array(ImageSearchResult),
});
export const ImageGetAll = operation('ImageGetAll', {
  query: obj({ names: Type.Optional(strings), platform: Type.Optional(strings), referrers }),
});
export const ImageLoad = operation('ImageLoad', {
  query: obj({ quiet: flag(), platform: Type.Optional(strings) }),
  response: ProgressMessage,
});
/** `fromImage` pulls; `fromSrc` imports from a URL, or from the request body when it is `-`. */
export const ImageCreate = operation('ImageCreate', {
  query: obj({
    fromImage: opt(str),
    fromSrc: opt(str),
    repo: opt(str),
    tag: opt(str),
    message: opt(str),
    changes: Type.Optional(strings),
    platform: opt(str),
    referrers,
  }),
  response: ProgressMessage,
});
export const ImagePrune = operation('ImagePrune', {
  query: obj({ filters: filters() }),
  response: ImagePruneResponse,
});
export const ImageInspect = operation('ImageInspect', {
  query: obj({ manifests: flag(), platform: platform() }),
  response: Inspect,
});
export const ImageHistory = operation('ImageHistory', {
  query: obj({ platform: platform() }),
  response: Type.Array(ImageHistoryItem),
});
export const ImageGet = operation('ImageGet', {
  query: obj({ platform: Type.Optional(strings), referrers }),
});
export const ImagePush = operation('ImagePush', {
  query: obj({ tag: opt(str), platform: platform(), referrers }),
  response: ProgressMessage,
});
export const ImageTag = operation('ImageTag', { query: obj({ repo: opt(str), tag: opt(str) }), status: 201 });
export const ImageDelete = operation('ImageDelete', {
  query: obj({ force: flag(), noprune: flag(), platforms: Type.Optional(strings) }),
  response: Type.Array(ImageDeleteItem),
});
/** `changes` are Dockerfile instructions, one a line or one a repetition. The body overrides the container's configuration. */
export const ImageCommit = operation('ImageCommit', {
  query: obj({
    container: opt(str),
    repo: opt(str),
    tag: opt(str),
    comment: opt(str),
    author: opt(str),
    pause: flag(true),
    changes: Type.Optional(strings),
  }),
  body: Type.Union([ContainerConfig, Type.Null()]),
  response: IdResponse,
  status: 201,
});
export const DistributionInspect = operation('DistributionInspect', { response: Distribution });
