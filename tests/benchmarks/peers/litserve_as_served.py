"""LitServe with what its guide has: decode, predict, encode, and its defaults. Argument: the port."""

import base64
import sys

import litserve
from usual import classes, network, pixels


class Classifier(litserve.LitAPI):
    def setup(self, device):
        self.network = network()

    def decode_request(self, request):
        return pixels(base64.b64decode(request["image"]))

    def predict(self, image):
        return classes(self.network, [image])[0]

    def encode_response(self, output):
        return {"class": output}


if __name__ == "__main__":
    # Without a time limit, which a busy machine would meet.
    litserve.LitServer(Classifier(), accelerator="cpu", timeout=False).run(
        port=int(sys.argv[1]), generate_client_file=False
    )
