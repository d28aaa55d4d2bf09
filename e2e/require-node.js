// Loaded before everything that npm scripts run: an old Node says what to do, instead of failing on the first type.
if (Number(process.versions.node.split('.')[0]) < 24) {
  process.stderr.write(
    `This is Node ${process.version}; Skein needs 24 or newer. The right one comes with "npm ci" as the package "node". If npm does\n` +
      'not run install scripts on this machine, allow that one (npm install-scripts approve node) and run "npm ci" again.\n',
  )
  process.exit(1)
}
