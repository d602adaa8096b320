"""What to do about an endpoint that does not take data: for the doctor to say."""

from __future__ import annotations

from .delivery.envelope import Outcome, Verdict

# The first whose sign is in `reason detail`: words of Python, OpenSSL or a server, or the reason.
_ADVICE = (
    ("CERTIFICATE_VERIFY_FAILED", "set PRIMUS_LENS_WANDB_CA_FILE to the authority that signed for it"),
    (
        "WRONG_VERSION_NUMBER",
        "it speaks no TLS; PRIMUS_LENS_API_BASE_URL may have to begin with http://",
    ),
    (
        "RECORD_LAYER_FAILURE",
        "it speaks no TLS; PRIMUS_LENS_API_BASE_URL may have to begin with http://",
    ),
    ("to an HTTPS server", "PRIMUS_LENS_API_BASE_URL has to begin with https://"),  # Go's net/http
    ("sent to HTTPS port", "PRIMUS_LENS_API_BASE_URL has to begin with https://"),  # nginx
    ("gaierror", "check the host name in PRIMUS_LENS_API_BASE_URL, and the cluster's DNS"),
    ("Tunnel connection failed", "the proxy refuses; check PRIMUS_LENS_WANDB_PROXY"),
    ("http_407", "the proxy wants user and password in PRIMUS_LENS_WANDB_PROXY"),
    ("ConnectionRefusedError", "nothing listens there; check the port, and whether the processor runs"),
    ("no connection within", "packets get lost on the way; check address, network policy and proxy"),
    ("no answer within", "the processor, or a proxy before it, hangs; look at its log"),
    ("bad_token", "check PRIMUS_LENS_WANDB_TOKEN or PRIMUS_LENS_WANDB_TOKEN_FILE"),
    ("http_401", "check PRIMUS_LENS_WANDB_TOKEN or PRIMUS_LENS_WANDB_TOKEN_FILE"),
    ("http_403", "check PRIMUS_LENS_WANDB_TOKEN or PRIMUS_LENS_WANDB_TOKEN_FILE"),
    ("http_404", "check the path of PRIMUS_LENS_API_BASE_URL; it usually ends in /api/v1"),
    ("http_3", "something before it redirects; set PRIMUS_LENS_API_BASE_URL to where that leads"),
    ("http_429", "too many requests for it; it needs more replicas, or a higher limit"),
    ("http_502", "a proxy answers, and finds no healthy processor behind it"),
    ("http_503", "it is down or overloaded; if a proxy says so, look at what is behind it"),
    ("http_504", "a proxy answers, and the processor behind it does not"),
    ("garbage", "another service answers there; check PRIMUS_LENS_API_BASE_URL and proxy"),
    ("broken", "what listens there hangs up or speaks no HTTP; check the port, and http or https"),
    ("unreachable", "check PRIMUS_LENS_API_BASE_URL, network policy, proxy and certificates"),
    ("bad_endpoint", "check PRIMUS_LENS_API_BASE_URL, PRIMUS_LENS_WANDB_PROXY and its HEADERS"),
    ("", "look at the telemetry-processor's own log"),
)


def advice_on_endpoint(outcome: Outcome) -> str:
    """Return what to do when the endpoint answered like this."""
    if outcome.verdict is Verdict.RETRY and outcome.reason == "http_400":
        return "the processor does not know this pod yet; check WORKLOAD_UID and POD_NAME, or wait"
    told = f"{outcome.reason} {outcome.detail}"
    return next(advice for sign, advice in _ADVICE if sign in told)
