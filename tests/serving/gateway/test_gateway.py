import asyncio
import threading

from litho.serving.gateway.gateway import Gateway
from litho.serving.gateway.settings import GatewaySettings


def test_plug_ins_start_after_the_models_and_end_before_them(free_port: int) -> None:
    order = []

    async def run() -> None:
        gateway = Gateway(GatewaySettings(server=f"grpc://127.0.0.1:{free_port}"))

        async def started() -> None:
            assert not gateway.models.up
            order.append("started")

        async def ended() -> None:
            order.append("ended")

        gateway.at_start(started)
        gateway.at_end(ended)
        await gateway.start()
        assert await gateway.in_thread(threading.current_thread) is not threading.main_thread()
        await gateway.close()

    asyncio.run(run())
    assert order == ["started", "ended"]
