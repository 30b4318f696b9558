import { randomInt } from 'node:crypto';
import { invalid } from '@berth/base';

const ADJECTIVES =
  'able amber bold brave breezy bright brisk calm clever coastal crisp deep eager early fair fleet fond fresh gentle glad golden grand hardy humble keen kind lively lucky mellow merry mighty neat nimble noble northern patient placid plucky proud quick quiet ready regal rosy salty sandy serene sharp silent silver sleek smooth snug solid southern spry stable steady stout sunny sure swift tidal tidy tranquil true upbeat vivid warm wise witty young zesty'.split(
    ' ',
  );
const NOUNS =
  'albatross anchor atoll barge bay beacon bow breaker buoy cabin capstan captain cargo cask channel clipper compass coral cove crane current cutter deck delta dinghy dock dolphin ferry fjord fleet foghorn galley gull harbor haven helm herring hull island jetty keel kelp ketch lagoon lantern lighthouse mast mooring narwhal ocean oyster packet pelican pier pilot porpoise port puffin quay reef rigging rudder sail seal sextant shoal skiff sloop sound spar squall starfish stern strait surf tern tide trawler tug walrus wave wharf winch yacht'.split(
    ' ',
  );

const pick = (words: readonly string[]): string => words[randomInt(words.length)] ?? 'berth';

/** A readable name that `isTaken` refuses no longer; after some tries a number makes it unique. */
export function generateName(isTaken: (name: string) => boolean): string {
  for (let attempt = 0; ; attempt++) {
    const name = `${pick(ADJECTIVES)}_${pick(NOUNS)}${attempt < 6 ? '' : randomInt(10 ** Math.min(9, attempt - 4))}`;
    if (!isTaken(name)) return name;
  }
}

/** Docker's container name rule; returns the name without a leading slash. */
export function checkName(given: string): string {
  const name = given.startsWith('/') ? given.slice(1) : given;
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name))
    throw invalid(`Invalid container name (${given}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  return name;
}
