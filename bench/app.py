"""The web app: seconds to the first page, milliseconds to judge a patch alone, beside a slide and with eight people at once, and what hostile uploads do to it.

python bench/app.py [--seconds 60] [--people 8] [--upload-mb 2048]
"""
import io, json, os, socket, subprocess, tempfile, threading, time, zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import arguments, finish
from slide import trained
import httpx, numpy as np
from PIL import Image
from pcam_nb.app import Judge, patch_views, read_upload
from pcam_nb.sample import draw_slide

LIMIT = httpx.Timeout(600)


class User:
    "Somebody who talks to the app over HTTP"
    def __init__(self, address): self.web = httpx.Client(base_url=address, timeout=LIMIT)

    def upload(self, name, data): return self.web.post('/gradio_api/upload', files=dict(files=(name,data)))

    def call(self, endpoint, *data):
        "What an endpoint answers, or the sentence that it refuses with"
        event = self.web.post(f'/gradio_api/call/{endpoint}', json=dict(data=data)).json()['event_id']
        *_,kind,value = [o.split(': ', 1)[1] for o in self.web.get(f'/gradio_api/call/{endpoint}/{event}').text.splitlines() if o.startswith(('event: ','data: '))]
        return json.loads(value) if kind=='complete' else json.loads(value)['error']

    def judge(self, name, data, how='Grad-CAM'):
        "Upload a patch and have it judged"
        return self.call('patch', as_file(self.upload(name, data).json()[0]), None, False, how)


def as_file(path): return dict(path=path, meta=dict(_type='gradio.FileData'))


def start(run, place):
    "A server, its address, and the seconds to its first page"
    with socket.socket() as s:
        s.bind(('127.0.0.1',0))
        port = s.getsockname()[1]
    begin = time.perf_counter()
    server = subprocess.Popen(['pcam_app', str(run), '--port', str(port), '--device', 'cpu'], stdout=subprocess.DEVNULL, env=dict(os.environ, TMPDIR=str(place)))
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
            if not isinstance(user.judge(name, patch), list): failed.append(i)
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
    more = dict(patch=(None, False, ''), region=(1., 32, None), batch=(None, False)) # What each endpoint takes beside the file, or files

    def say(name, data, endpoint='patch'):
        file = as_file(user.upload(name, data).json()[0])
        return user.call(endpoint, [file] if endpoint=='batch' else file, *more[endpoint])
    res = {'text file':say('a.png', b'no picture'), 'cut PNG':say('a.png', patch[:500]), 'empty file':say('a.png', b''), '1×1 px':say('a.png', png(1, 'L')),
           '30,000×30,000 px':say('a.png', png(30000, '1')), '30,000×30,000 px as a region':say('a.png', png(30000, '1'), 'region'),
           'zip bomb':say('a.zip', zipped(**{f'{i}.png':bytes(2**26) for i in range(16)}), 'batch'),
           'zip with ../':say('a.zip', zipped(**{'../a.png':patch}), 'batch'), 'zip of 500 files':say('a.zip', zipped(**{f'{i}.png':b'x' for i in range(500)}), 'batch')}
    try: res[f'{upload_mb:,} MB'] = user.upload('a.svs', Zeros(upload_mb*2**20)).text
    except httpx.TransportError as e: res[f'{upload_mb:,} MB'] = f'connection closed ({type(e).__name__})'
    return res


def main():
    args = arguments(__doc__, 600, epochs=2, seconds=60., people=8, calls=100, upload_mb=2048, side=4000)
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        place = tmp/'server'
        place.mkdir()
        run = trained(tmp, args.n, args.epochs)
        file = next((tmp/'data'/'train').iterdir())
        patch,judge = file.read_bytes(),Judge(run, 'cpu')
        draw_slide(tmp/'slide.tif', args.side, args.side, progress=False)

        def alone():
            seen = judge.patch(read_upload(file))
            for o in patch_views(judge, seen['x'], 'Grad-CAM'): Image.fromarray(o).save(io.BytesIO(), 'png')
        alone()
        ms = {'in the server, without HTTP':timed(alone, args.calls)}
        server,address,first = start(run, place)
        try:
            user = User(address)
            call = lambda: user.judge(file.name, patch)
            call()
            ms['one person, over HTTP'] = timed(call, args.calls)
            region = threading.Thread(target=lambda: said.append(User(address).call('region', as_file(there), None, 32, None)))
            said,there = [],User(address).upload('slide.tif', (tmp/'slide.tif').read_bytes()).json()[0]
            region.start()
            beside = []
            while region.is_alive(): beside += timed(call, 1)
            ms['one person, while a slide is read'] = beside
            ms[f'{args.people} people at once'],failed = crowd(address, file.name, patch, args.people, args.seconds)
            sentences = hostile(user, patch, args.upload_mb)
            status = Path(f'/proc/{server.pid}/status').read_text()
            peak = int(next(o for o in status.splitlines() if o.startswith('VmHWM')).split()[1])/1024
            well = user.web.get('/health').status_code==200 and isinstance(call(), list)
            outside = [str(o) for o in place.iterdir() if not o.name.startswith('pcam_app_')]
        finally:
            server.terminate()
            server.wait(30)
        left = len(list(place.iterdir()))
    rows = [{'':'from the command to the first page', 'found':f'{first:.1f} s'}]
    rows += [{'':f'a patch, 8-way and Grad-CAM, {k}', 'found':f'median {np.median(v):.0f} ms, 95th percentile {np.quantile(v, .95):.0f} ms of {len(v):,}'} for k,v in ms.items()]
    rows += [{'':'failures among them', 'found':f'{failed}'}, {'':'the slide', 'found':f"{said[0][0]['windows']:,} windows" if isinstance(said[0], list) else said[0]},
             *({'':k, 'found':f'“{v}”'} for k,v in sentences.items()),
             {'':'largest resident memory after all that', 'found':f'{peak:,.0f} MB'}, {'':'still answers', 'found':'yes' if well else 'no'},
             {'':'written outside its folder; left after the end', 'found':f'{len(outside)}; {left}'}]
    finish('app', args, rows, milliseconds={k:np.quantile(v, [.5,.95,1]).round(1).tolist() for k,v in ms.items()})


if __name__=='__main__': main()
