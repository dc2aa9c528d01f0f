"""Run the example on its own port: `python -m examples.fastapi_app`."""

import os

import uvicorn

if __name__ == "__main__":
    uvicorn.run("examples.fastapi_app.main:app", port=int(os.environ.get("PORT", "8001")))
