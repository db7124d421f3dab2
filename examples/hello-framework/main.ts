/** A whole framework: launches one task, prints how it ends, leaves. */
import { connect, isTerminal, OfferPool } from "meseta";

const [, , credentials] = process.argv;
if (credentials === undefined) {
  process.stderr.write("usage: hello-framework CREDENTIALS   (meseta up prints the path)\n");
  process.exit(2);
}

let launched = false;
const framework = connect(
  { credentials, name: "hello" },
  {
    offers(offers, driver) {
      for (const offer of offers) {
        const task = new OfferPool(offer).take({
          id: `hello-${Date.now()}`,
          resources: "cpus:0.1;mem:32",
          command: "echo hello from $(hostname)",
        });
        if (launched || task === undefined) {
          driver.decline([offer.offerId]);
          continue;
        }
        launched = true;
        driver.accept([offer.offerId], [{ type: "LAUNCH", taskInfos: [task] }]);
      }
    },
    async update({ taskId, state, message }) {
      process.stdout.write(`${taskId} ${state} ${message ?? ""}\n`);
      if (!isTerminal(state)) return;
      process.exitCode = state === "TASK_FINISHED" ? 0 : 1;
      await framework.end();
    },
    ended(reason, message) {
      process.stderr.write(`${reason}: ${message}\n`);
    },
  },
);
