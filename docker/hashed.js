// Fails unless package-lock.json has a hash for the program of this processor. Runs on Node.js 12.
const { packages } = require("./package-lock.json");

const wanted = Object.keys(packages).filter((name) => (packages[name].cpu || []).includes(process.arch));
const unpinned = wanted.filter((name) => !packages[name].integrity);
if (!wanted.length || unpinned.length) {
  console.error(
    `docker/package-lock.json has no hash for ${unpinned[0] || process.arch}: write it by ` +
      "`npm install --package-lock-only --ignore-scripts --prefix docker`, and commit it."
  );
  process.exit(1);
}
