// What a list says that is empty because nothing was sent yet.

import { h, notice } from "./dom.js";

/** How runs come here, with this server's address. */
export function welcome() {
  const base = new URL("api/v1", location.href.split("#")[0]).href;
  const code = `export PRIMUS_LENS_API_BASE_URL=${base}\nexport WORKLOAD_UID=my-training\npython train.py   # which uses wandb`;
  const element = notice(
    "No runs yet",
    "Install the package where you train, set these two variables, and start the script as it is. Its runs appear here by themselves.",
  );
  element.append(
    h("pre", { tabIndex: 0 }, h("code", {}, code)),
    h(
      "p",
      {},
      "If this server asks senders for a token, set ", h("code", {}, "PRIMUS_LENS_WANDB_TOKEN"), ", too. If nothing comes, ",
      h("code", {}, "primus-lens-wandb doctor"), " says why.",
    ),
  );
  return element;
}
