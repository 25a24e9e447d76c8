// Decides the frames of data.json by one package, and says how long each round took for a frame, in seconds.
const { frames, logic, repos } = JSON.parse(require("fs").readFileSync("data.json"));
const name = process.argv[2];
const version = require(`./node_modules/${name}/package.json`).version;

function jsonLogic() {
  const engine = require("json-logic-js");
  return async (frame) => {
    const sent = JSON.parse(frame);
    return logic.flatMap((rule, number) => (engine.apply(rule, sent) ? [number] : []));
  };
}

function jsonRulesEngine() {
  const { Engine } = require("json-rules-engine");
  const engine = new Engine([], { allowUndefinedFacts: true });
  engine.addOperator("startsWith", (value, start) => String(value).startsWith(start));
  repos.forEach((repo, number) => {
    const branch = number % 2
      ? { fact: "event", path: "$.ref", operator: "equal", value: "refs/heads/main" }
      : { fact: "event", path: "$.ref", operator: "startsWith", value: "refs/heads/release/" };
    const conditions = { all: [{ fact: "event", path: "$.repo", operator: "equal", value: repo }, branch] };
    engine.addRule({ conditions, event: { type: "rule", params: { number } } });
  });
  return async (frame) => (await engine.run(JSON.parse(frame))).events.map((event) => event.params.number);
}

(async () => {
  const find = name === "json-logic-js" ? jsonLogic() : jsonRulesEngine();
  const seconds = [];
  let found = [];
  for (let round = 0; round < 6; round++) {
    found = [];
    const start = process.hrtime.bigint();
    for (const frame of frames) found.push(...(await find(frame)));
    if (round) seconds.push(Number(process.hrtime.bigint() - start) / 1e9 / frames.length);
  }
  console.log(JSON.stringify({ found, seconds, version }));
})();
