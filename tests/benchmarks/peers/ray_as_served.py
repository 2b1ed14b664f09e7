"""Ray Serve with what its guide has: one replica that takes a request's body, and its defaults. Argument: the port."""

import sys

from ray import serve
from usual import classes, network, pixels


@serve.deployment
class Classifier:
    def __init__(self):
        self.network = network()

    async def __call__(self, request):
        return {"class": classes(self.network, [pixels(await request.body())])[0]}


if __name__ == "__main__":
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Classifier.bind(), blocking=True)
