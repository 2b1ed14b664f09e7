"""LitServe with a replica for each core, minibatches, one thread each and bf16. Argument: the port."""

import base64
import os
import sys

import litserve
from usual import classes, pixels, tuned_network


class Classifier(litserve.LitAPI):
    def setup(self, device):
        self.network = tuned_network()

    def decode_request(self, request):
        return base64.b64decode(request["image"])

    def batch(self, images):
        return [pixels(image) for image in images]

    def predict(self, images):
        return classes(self.network, images)

    def unbatch(self, output):
        return output

    def encode_response(self, output):
        return {"class": output}


if __name__ == "__main__":
    server = litserve.LitServer(
        Classifier(max_batch_size=8, batch_timeout=0.005),
        accelerator="cpu",
        workers_per_device=len(os.sched_getaffinity(0)),
        fast_queue=True,
        timeout=False,
    )
    server.run(port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
