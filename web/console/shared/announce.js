// Tells people who do not see the page what is new, without flooding them: one sentence
// every few seconds, which sums up what came meanwhile.

const PAUSE = 3_000;

/** Speaks through a live region. */
export function announcer(region) {
  let waiting = [];
  let timer;
  const speak = () => {
    timer = undefined;
    if (waiting.length === 0) return;
    region.textContent = waiting.length === 1 ? waiting[0].sentence : summary(waiting);
    waiting = [];
    timer = setTimeout(speak, PAUSE);
  };
  return (sentence, place = "") => {
    waiting.push({ sentence, place });
    timer ??= setTimeout(speak, 50);
  };
}

function summary(waiting) {
  const places = new Set(waiting.map(({ place }) => place));
  const [place] = places;
  const where = places.size === 1 && place ? ` in ${place}` : places.size > 1 ? ` in ${places.size} places` : "";
  return `${waiting.length} new messages${where}`;
}
