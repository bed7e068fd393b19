// Runs the test files named, two at a time: each is a process with a replyd, a mail host and a browser of its own.
import { run } from "node:test";
import { spec } from "node:test/reporters";

// The longest first: beside it the others have time.
const isLong = (file) => /kill|demo/.test(file);
const files = process.argv.slice(2).sort((one, other) => isLong(other) - isLong(one));
const results = run({ files, concurrency: 2, timeout: 600_000 });
results.on("test:fail", (event) => { if (!event.todo) process.exitCode = 1; });
results.compose(spec).pipe(process.stdout);
