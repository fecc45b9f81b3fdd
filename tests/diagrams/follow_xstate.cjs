// Takes runs of events through a machine in XState; prints where it is after each event. See engines.py.
const { createMachine, initialTransition, transition } = require("xstate");

let text = "";
process.stdin.on("data", (chunk) => (text += chunk));
process.stdin.on("end", () => {
  const { machine, runs } = JSON.parse(text);
  let held = {};
  const answer = (name) => {
    if (!(name in held)) throw new Error(`${name} was asked, and should not have been`);
    return held[name];
  };
  const guards = Object.fromEntries(Object.keys(machine.meta.guards).map((name) => [name, () => answer(name)]));
  guards.all = (_, { hold, fail }) => hold.every((name) => answer(name)) && fail.every((name) => !answer(name));
  const chart = createMachine(machine).provide({ guards });
  const path = (value) => (typeof value === "string" ? value : Object.entries(value).map(([a, b]) => `${a}.${path(b)}`)[0]);
  const places = runs.map((run) => {
    let [snapshot] = initialTransition(chart);
    return run.map((step) => {
      held = step.held;
      [snapshot] = transition(chart, snapshot, { type: step.event });
      return path(snapshot.value);
    });
  });
  process.stdout.write(JSON.stringify(places));
});
