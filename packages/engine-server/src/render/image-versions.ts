import { atLeast, type ImageInspect, type ImageSummary } from '@berth/engine-api';

/** Fields that an image's configuration always has in an answer; clients of old versions index them unasked. */
const CONFIG = {
  Cmd: null,
  Entrypoint: null,
  Env: null,
  Labels: null,
  OnBuild: null,
  User: '',
  Volumes: null,
  WorkingDir: '',
};
const CONFIG_BEFORE_150 = {
  ...CONFIG,
  AttachStderr: false,
  AttachStdin: false,
  AttachStdout: false,
  Domainname: '',
  Hostname: '',
  Image: '',
  OpenStdin: false,
  StdinOnce: false,
  Tty: false,
};

/** An image of the list in the words of an API version. */
export function listedAt(version: string, image: ImageSummary): ImageSummary {
  const nameless = image.RepoTags?.length === 0 && image.RepoDigests?.length === 0;
  const { Descriptor: _later, ...old } = image;
  return {
    ...(atLeast(version, '1.48') ? image : old),
    ...(atLeast(version, '1.51') ? {} : { Containers: -1 }),
    ...(atLeast(version, '1.44') ? {} : { VirtualSize: image.Size }),
    ...(atLeast(version, '1.43') || !nameless ? {} : { RepoTags: ['<none>:<none>'], RepoDigests: ['<none>@<none>'] }),
  };
}

type Inspected = Omit<ImageInspect, 'Config' | 'Descriptor'> & { readonly Config: object };

/** An inspected image in the words of an API version, but for `ContainerConfig`. */
export function inspectedAt(version: string, image: ImageInspect): Inspected {
  const { Descriptor: _later, ...old } = image;
  return {
    ...(atLeast(version, '1.48') ? image : old),
    Config: { ...(atLeast(version, '1.50') ? CONFIG : CONFIG_BEFORE_150), ...image.Config },
    ...(atLeast(version, '1.44') ? {} : { VirtualSize: image.Size, Created: image.Created ?? '0001-01-01T00:00:00Z' }),
  };
}
