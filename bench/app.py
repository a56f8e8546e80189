"""The web app: seconds to the first page, milliseconds for a patch alone, beside a slide of a million windows and with 32 people at once, memory over 2,000
requests, and what hostile uploads do to it.

python bench/app.py [--seconds 60] [--people 32] [--requests 2000] [--upload-mb 2048]
"""
import io, os, secrets, socket, subprocess, tempfile, time, zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import arguments, finish
from slide import trained
import httpx, numpy as np
from PIL import Image
from pcam_nb.core import UM_PER_PX
from pcam_nb.sample_slide import generate_slide, write_pyramid
from pcam_nb.service import Service
from pcam_nb.image import read_image

LIMIT = httpx.Timeout(600)


class User:
    "Somebody who talks to the app over HTTP"
    def __init__(self, address): self.web = httpx.Client(base_url=address, timeout=LIMIT, headers={'X-Session':secrets.token_hex(16)})

    def predict(self, name, data, how='integrated gradients'):
        "What is said of a patch"
        return self.web.post('/api/patch', params=dict(attribution=how, images=True), files=dict(file=(name,data)))

    def batch(self, name, data): return self.web.post('/api/batch', files=dict(files=(name,data)))

    def slide(self, name, data, **options):
        "Upload a slide; the job"
        return self.web.post('/api/slides', params=dict(name=name, **options), content=data)

    def ask(self, job): return self.web.get(f"/api/slides/{job['id']}").json()

    def wait(self, job, meanwhile=lambda: None):
        "Wait for a slide, and call `meanwhile` all the while; the job at its end"
        while (job:=self.ask(job))['state'] in ('waiting','working'): meanwhile(); time.sleep(.1)
        return job


def start(run, place):
    "A server, its address, and the seconds to its first page"
    with socket.socket() as s:
        s.bind(('127.0.0.1',0))
        port = s.getsockname()[1]
    begin = time.perf_counter()
    server = subprocess.Popen(['pcam_app', str(run), '--port', str(port), '--device', 'cpu', '--max-windows', '2000000'], stdout=subprocess.DEVNULL, env=dict(os.environ, TMPDIR=str(place)))
    while True:
        try:
            if httpx.get(f'http://127.0.0.1:{port}/').status_code==200: return server, f'http://127.0.0.1:{port}', time.perf_counter()-begin
        except httpx.TransportError: time.sleep(.05)


def timed(f, n=None, seconds=None):
    "Milliseconds of calls of `f`: `n`, or as many as fit"
    out,begin = [],time.perf_counter()
    while len(out)<n if n else time.perf_counter()-begin<seconds:
        t = time.perf_counter()
        f()
        out.append(1000*(time.perf_counter()-t))
    return out


def crowd(address, name, patch, people, seconds):
    "Milliseconds of all calls of many people at once, and how many calls failed"
    failed = []
    def _one(i):
        user = User(address)
        def _call():
            if user.predict(name, patch).status_code!=200: failed.append(i)
        return timed(_call, seconds=seconds)
    with ThreadPoolExecutor(people) as pool: return sum(pool.map(_one, range(people)), []), len(failed)


def png(side, mode):
    f = io.BytesIO()
    Image.new(mode, (side,side)).save(f, 'png')
    return f.getvalue()


def zipped(**entries):
    f = io.BytesIO()
    with zipfile.ZipFile(f, 'w', zipfile.ZIP_DEFLATED) as z:
        for k,v in entries.items(): z.writestr(k, v)
    return f.getvalue()


class Zeros(io.RawIOBase):
    "A file of zeros that takes no room"
    def __init__(self, size): self.left = size
    def readable(self): return True
    def read(self, n=-1):
        n = min(n if n>=0 else 2**20, self.left)
        self.left -= n
        return bytes(n)


def hostile(user, patch, upload_mb):
    "What is said of bad uploads: name to sentence"
    says = lambda answer: answer.json()['error']
    res = {'text file':b'no image', 'cut PNG':patch[:500], 'empty file':b'', '1×1 px':png(1, 'L'), '30,000×30,000 px':png(30000, '1')}
    res = {k:says(user.predict('a.png', v)) for k,v in res.items()}
    res['30,000×30,000 px as a slide'] = user.wait(user.slide('a.png', png(30000, '1'), mpp=1).json())['error']
    for k,v in {'zip bomb':{f'{i}.png':bytes(2**26) for i in range(16)}, 'zip with ../':{'../a.png':patch}, 'zip of 500 files':{f'{i}.png':b'x' for i in range(500)}}.items():
        res[k] = says(user.batch('a.zip', zipped(**v)))
    try: res[f'{upload_mb:,} MB'] = says(user.slide('a.svs', Zeros(upload_mb*2**20)))
    except httpx.TransportError as e: res[f'{upload_mb:,} MB'] = f'connection closed ({type(e).__name__})'
    return res


def resident(pid, key='VmRSS'):
    "Resident memory of a process, MB; with 'VmHWM' the largest so far"
    return int(next(o for o in Path(f'/proc/{pid}/status').read_text().splitlines() if o.startswith(key)).split()[1])/1024


def growth(call, pid, requests):
    "MB that the server grows from the first quarter of so many requests to the last"
    timed(call, requests//4)
    before = resident(pid)
    timed(call, requests-requests//4)
    return resident(pid)-before


def main():
    args = arguments(__doc__, 600, epochs=2, seconds=60., people=32, calls=100, requests=2000, upload_mb=2048, side=4000, large=8000)
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        place = tmp/'server'
        place.mkdir()
        run = trained(tmp, args.n, args.epochs)
        file = next((tmp/'data'/'train').iterdir())
        patch,service = file.read_bytes(),Service(run, 'cpu')
        generate_slide(tmp/'slide.tif', args.side, args.side, progress=False)
        piece = np.tile(read_image(tmp/'slide.tif')[args.side//2-256:args.side//2+256,args.side//2-256:args.side//2+256], (1,-(-args.large//512),1))[:,:args.large]
        write_pyramid(tmp/'large.tif', (piece[:min(512, args.large-y)] for y in range(0, args.large, 512)), (args.large,args.large,3), UM_PER_PX)
        alone = lambda: service.answer_patch(patch, method='integrated gradients', images=True)
        alone()
        ms = {'in the server, without HTTP':timed(alone, args.calls)}
        server,address,first = start(run, place)
        try:
            user = User(address)
            call = lambda: user.predict(file.name, patch)
            call()
            ms['one person, over HTTP'] = timed(call, args.calls)
            grown = growth(call, server.pid, args.requests)
            ms[f'{args.people} people at once'],failed = crowd(address, file.name, patch, args.people, args.seconds)
            large = user.slide('large.tif', (tmp/'large.tif').read_bytes(), stride=8).json()
            while (windows:=user.ask(large)['windows']) is None: time.sleep(.2)
            ms[f'one person, while a slide of {windows:,} windows is read'] = timed(call, args.calls)
            other,begin = User(address),time.perf_counter()
            small = other.wait(other.slide('slide.tif', (tmp/'slide.tif').read_bytes()).json(), lambda: user.ask(large))
            beside = time.perf_counter()-begin
            left = user.ask(large)
            user.web.delete(f"/api/slides/{large['id']}")
            begin = time.perf_counter()
            alone = other.wait(other.slide('slide.tif', (tmp/'slide.tif').read_bytes()).json())
            alone_seconds = time.perf_counter()-begin
            sentences = hostile(user, patch, args.upload_mb)
            peak = resident(server.pid, 'VmHWM')
            well = user.web.get('/health').status_code==200 and call().status_code==200
            outside = [str(o) for o in place.iterdir() if not o.name.startswith('pcam_app_')]
            large = user.slide('large.tif', (tmp/'large.tif').read_bytes(), stride=8).json()
        finally:
            begin = time.perf_counter()
            server.terminate()
            server.wait(30)
            ended = time.perf_counter()-begin
        still = len(list(place.iterdir()))
    rows = [{'':'from the command to the first page', 'found':f'{first:.1f} s'}]
    rows += [{'':f'a patch, 8-way and integrated gradients, {k}', 'found':f'median {np.median(v):.0f} ms, 95th percentile {np.quantile(v, .95):.0f} ms, largest {max(v):.0f} ms of {len(v):,}'} for k,v in ms.items()]
    rows += [{'':'failures among them', 'found':f'{failed}'},
             {'':f"a slide of {small['windows']:,} windows: alone; beside the large one", 'found':f"{alone_seconds:.1f} s; {beside:.1f} s"},
             {'':'the large one meanwhile', 'found':f"{left['done']:,} windows done, {left['seconds_left']:,.0f} s left"},
             *({'':k, 'found':f'“{v}”'} for k,v in sentences.items()),
             {'':f'resident memory, from request {args.requests//4:,} to {args.requests:,}', 'found':f'{grown:+.1f} MB'},
             {'':'largest resident memory after all that', 'found':f'{peak:,.0f} MB'}, {'':'still answers', 'found':'yes' if well else 'no'},
             {'':'from SIGTERM, with a large slide at work, to the end', 'found':f'{ended:.1f} s'},
             {'':'written outside its folder; left after the end', 'found':f'{len(outside)}; {still}'}]
    finish('app', args, rows, milliseconds={k:np.quantile(v, [.5,.95,1]).round(1).tolist() for k,v in ms.items()}, grown_mb=round(grown, 1))


if __name__=='__main__': main()
