/** A worker for handlers in Python: the text of its program, which stands beside the others as bootstrap.py. */
export const pythonBootstrap = `"""Loads the handler, then fetches one event after the other from the runtime API."""
import http.client, importlib, json, logging, os, sys, time, traceback

host, _, token = os.environ["AWS_LAMBDA_RUNTIME_API"].partition("/")
root = os.environ["LAMBDA_TASK_ROOT"]
connection = http.client.HTTPConnection(host)
current = "-"


def call(method, path, body=None):
    headers = {} if body is None else {"content-type": "application/json"}
    connection.request(method, "/%s/2018-06-01/runtime/%s" % (token, path), body, headers)
    response = connection.getresponse()
    data = response.read()
    if response.status >= 300:
        raise OSError("The runtime API answers %d" % response.status)
    return response.headers, data


def error_body(error):
    trace = traceback.format_exception(type(error), error, error.__traceback__)
    return json.dumps({"errorType": type(error).__name__, "errorMessage": str(error), "stackTrace": trace}).encode()


class Context:
    function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
    function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
    memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
    log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
    identity = None
    client_context = None

    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self._deadline = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline - int(time.time() * 1000))


class WithRequest(logging.Filter):
    def filter(self, record):
        record.aws_request_id = current
        return True


def log_with_request():
    handler = logging.StreamHandler(sys.stdout)
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ\\t%(aws_request_id)s\\t%(levelname)s\\t%(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.addFilter(WithRequest())
    logging.getLogger().addHandler(handler)


def load():
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    sys.path.insert(0, root)
    found = getattr(importlib.import_module(module.replace("/", ".")), name, None)
    if not callable(found):
        raise AttributeError("%s.py has no function %s" % (module, name))
    return found


log_with_request()
try:
    handler = load()
except BaseException as error:
    call("POST", "init/error", error_body(error))
    sys.exit(1)

while True:
    try:
        headers, data = call("GET", "invocation/next")
    except (OSError, http.client.HTTPException):
        # The function host is gone.
        os._exit(0)
    current = headers["Lambda-Runtime-Aws-Request-Id"]
    try:
        what, body = "response", json.dumps(handler(json.loads(data), Context(headers))).encode()
    except Exception as error:
        what, body = "error", error_body(error)
    sys.stdout.flush()
    try:
        call("POST", "invocation/%s/%s" % (current, what), body)
    except OSError:
        os._exit(1)
    current = "-"
`
