"""Use the web app in Chromium as people do, and compare what it shows with what the package says.

python .ci/browser.py RUN DATA [--shots FOLDER]

RUN is the folder of a run, DATA a Kaggle folder. Fails if a request leaves the machine, if axe finds a fault, or if a page is wider than a phone.
"""
import argparse, io, os, re, shutil, signal, socket, subprocess, tempfile, zipfile
from pathlib import Path

import numpy as np, pandas as pd
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright
from pcam_nb.app import example_files, percent
from pcam_nb.explore import data_uri
from pcam_nb.infer import Predictor
from pcam_nb.sample import draw_slide
from pcam_nb.slide import read_slide
from pcam_nb.source import read_image

FLAGS = ('--no-sandbox --disable-background-networking --disable-component-update --disable-sync --no-first-run --disable-quic '
         '--disable-features=OptimizationHints,MediaRouter').split()
WIDE,PHONE = dict(width=1280, height=900),dict(width=390, height=844)


def launch(playwright):
    "Chromium, which asks nothing of the network by itself"
    return playwright.chromium.launch(executable_path=shutil.which('chromium') or shutil.which('google-chrome'), args=FLAGS)


def free_port():
    "A port of this machine that nobody listens on"
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Visit:
    "A browser at the app"
    def __init__(self, playwright, address, shots, size):
        self.browser = launch(playwright)
        self.context = self.browser.new_context(viewport=size, permissions=['clipboard-read','clipboard-write'])
        self.page,self.asked,self.faults,self.shots,self.size = self.context.new_page(),[],[],shots,size
        self.page.set_default_timeout(15_000)
        expect.set_options(timeout=15_000)
        self.page.on('request', lambda o: self.asked.append(o.url))
        self.page.goto(address)
        self.page.locator('#drop').wait_for()

    def open(self, tab):
        "Open a tab, which Gradio may have put away behind its button for more tabs on a narrow screen"
        shown = self.page.get_by_role('tab', name=tab, exact=True)
        if shown.count(): return shown.click()
        self.page.get_by_label('More tabs').click()
        self.page.locator('.overflow-dropdown').get_by_text(tab, exact=True).click()

    def upload(self, where, *files): self.page.locator(f'{where} input[type=file]').set_input_files([str(o) for o in files])

    def shot(self, name):
        "Keep a picture of the page, and check that it is as wide as the window"
        self.page.wait_for_timeout(700) # Until nothing fades any more
        wide = self.page.evaluate('document.documentElement.scrollWidth')
        if wide>self.size['width']: self.faults.append(f'{name} is {wide} px wide')
        self.page.screenshot(path=self.shots/f'{name}.png', full_page=True)

    def axe(self, name):
        "Let axe look for faults"
        found = Axe().run(self.page, options=dict(runOnly=['wcag2a','wcag2aa','wcag21a','wcag21aa'])).response['violations']
        self.faults += [f"axe on {name}: {o['id']} ({o['impact']}): {o['help']}\n    {n['html'][:300]}\n    {n['failureSummary']}" for o in found for n in o['nodes'][:3]]

    def fetch(self, link):
        "What a link to a file gives"
        return self.context.request.get(link.get_attribute('href')).body()

    def close(self):
        outside = {o for o in self.asked if not re.match(r'http://(127\.0\.0\.1|localhost):|data:|blob:', o)}
        self.browser.close()
        assert not self.faults, '\n'.join(self.faults)
        assert not outside, f'Requests leave the machine: {outside}'


def use_patch(visit, predictor, files):
    "Upload, paste, pick, decide"
    page,said = visit.page,visit.page.locator('#said')
    for file in (*files[:2], example_files()[0]):
        p = float(predictor.predict(read_image(file), 8)[0])
        visit.upload('#drop', file)
        expect(said.locator('.big')).to_have_text(percent(p))
        page.get_by_label('Remove Image').first.click()
        expect(said).to_contain_text('Drop, paste or choose')
    file = example_files()[1]
    page.evaluate('''async url => { const bytes = await (await fetch(url)).blob();
        await navigator.clipboard.write([new ClipboardItem({'image/png': bytes})]) }''', data_uri(file.read_bytes(), 'png'))
    page.get_by_label('Paste from clipboard').first.click()
    p = float(predictor.predict(read_image(file), 8)[0])
    expect(said.locator('.big')).to_have_text(percent(p))
    page.locator('#examples button').nth(len(example_files())-1).click() # A tumour
    p = float(predictor.predict(read_image(example_files()[-1]), 8)[0])
    expect(said.locator('.big')).to_have_text(percent(p))
    shown = page.locator('#moved img')
    before = shown.get_attribute('src')
    number = page.get_by_label('number input for Operating point').first
    for threshold,call in ((min(p+.01, 1),'Normal'),(max(p-.01, 1e-4),'Tumour')):
        number.fill(f'{threshold:.4f}')
        number.press('Enter')
        expect(said.locator('.call strong')).to_have_text(call)
    assert shown.get_attribute('src')==before # The network was not asked again
    page.get_by_label(re.compile('the run.s own')).first.check()
    expect(said).to_contain_text(f"operating point {predictor.config['threshold']:.4g}")


def use_region(visit, predictor, slide, tmp):
    "Read a slide, look through the heatmap, go to a patch, fetch the files"
    page = visit.page
    visit.open('Region or slide')
    visit.upload('#region', slide)
    expect(page.locator('#region')).to_contain_text('⇣')
    page.get_by_role('button', name='Read it').click()
    expect(page.locator('.progress-level').first).to_be_visible()
    expect(page.locator('#stage .stage')).to_be_visible(timeout=90_000)
    wanted = read_slide(predictor, slide, tmp/'read', progress=False)
    for o in (f"{wanted['score']:.3f}",f"{wanted['windows']:,}",wanted['metastasis']): expect(page.locator('.scroll').first).to_contain_text(o)
    opacity = page.get_by_label('number input for Heatmap over the slide: opacity')
    opacity.fill('0.9')
    opacity.press('Enter')
    expect(page.locator('#stage .over')).to_have_css('opacity', '0.9')
    assert page.locator('#stage .mark').is_hidden()
    page.locator('#gallery button.thumbnail-item, #gallery .grid-container button').nth(1).click()
    expect(page.locator('#stage .mark')).to_be_visible()
    links = {o.get_attribute('download'):o for o in page.locator('#files a').all()}
    assert sorted(links)==sorted(o.name for o in (tmp/'read').iterdir()), links
    assert np.allclose(pd.read_csv(io.BytesIO(visit.fetch(links['tiles.csv']))), pd.read_csv(tmp/'read'/'tiles.csv'), atol=1e-4)


def use_batch(visit, predictor, files, tmp):
    "Judge a zip, sort, fetch the submission"
    page = visit.page
    with zipfile.ZipFile(tmp/'patches.zip', 'w') as z:
        for o in files: z.write(o, o.name)
        z.writestr('broken.png', b'no picture')
    visit.open('Batch')
    visit.upload('#batch', tmp/'patches.zip')
    expect(page.locator('#batch')).to_contain_text('⇣')
    page.get_by_role('button', name='Judge them').click()
    expect(page.locator('#batch_said')).to_contain_text(f'{len(files)} patches', timeout=60_000)
    expect(page.locator('#batch_said')).to_contain_text('broken.png')
    p = predictor.predict(np.stack([read_image(o) for o in files]), 8)
    cell = lambda: page.locator('#table').get_by_role('gridcell').nth(1)
    expect(cell()).to_have_text(f'{round(p.max(), 4):g}')
    page.locator('#order input').click()
    page.get_by_role('option', name='the least suspicious').click()
    expect(cell()).to_have_text(f'{round(p.min(), 4):g}')
    sub = pd.read_csv(io.BytesIO(visit.fetch(page.locator('#submission a').last)), dtype=dict(id=str))
    assert sub.id.tolist()==[o.stem for o in files] and np.allclose(sub.label, p, atol=1e-6)


def read_about(visit):
    "Read the card"
    visit.open('About')
    for o in ('CLAIM','not a medical device','95 % interval'): expect(visit.page.locator('#card')).to_contain_text(o)


def use_wrongly(visit, tmp):
    "What is no slide gets a sentence, and the page goes on"
    page = visit.page
    (tmp/'text.png').write_text('no picture')
    visit.open('Region or slide')
    page.locator('#region').get_by_label(re.compile('Clear|Remove')).first.click()
    visit.upload('#region', tmp/'text.png')
    expect(page.locator('#region')).to_contain_text('text')
    page.get_by_role('button', name='Read it').click()
    expect(page.get_by_test_id('toast-body').first).to_contain_text('not a slide or picture')


def use_keys(visit):
    "Find a tab and an example with the keyboard alone"
    page = visit.page
    visit.open('Patch')
    page.reload()
    page.locator('#drop').wait_for()
    here = lambda: page.evaluate("!!document.activeElement.closest('#examples') && document.activeElement.tagName=='BUTTON'")
    for _ in range(40):
        page.keyboard.press('Tab')
        if here(): break
    assert here(), 'No example can be reached by the keyboard'
    page.keyboard.press('Enter')
    expect(page.locator('#said .big')).to_be_visible()


def serve(run, place):
    "The app, in a process of its own: address and process"
    port = free_port()
    p = subprocess.Popen(['pcam_app', str(run), '--port', str(port), '--device', 'cpu'], stdout=subprocess.PIPE, text=True, env=dict(os.environ, TMPDIR=str(place)))
    assert f':{port}' in p.stdout.readline()
    return f'http://127.0.0.1:{port}', p


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('run'), p.add_argument('data'), p.add_argument('--shots')
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as tmp, sync_playwright() as playwright:
        tmp = Path(tmp)
        shots,place = Path(args.shots or tmp/'shots'),tmp/'server'
        for o in (shots,place): o.mkdir(exist_ok=True)
        predictor,files = Predictor.load(args.run, 'cpu'),sorted((Path(args.data)/'test').glob('*.tif'))[:30]
        draw_slide(tmp/'slide.tif', 2400, 1800, progress=False)
        address,server = serve(args.run, place)
        try:
            visit = Visit(playwright, address, shots, WIDE)
            steps = {'patch':lambda: use_patch(visit, predictor, files), 'region':lambda: use_region(visit, predictor, tmp/'slide.tif', tmp),
                     'batch':lambda: use_batch(visit, predictor, files, tmp), 'about':lambda: read_about(visit)}
            for name,step in steps.items():
                step()
                visit.shot(f'app_{name}')
                visit.axe(name)
                print('ok', name, flush=True)
            use_wrongly(visit, tmp)
            use_keys(visit)
            visit.close()
            phone = Visit(playwright, address, shots, PHONE)
            use_patch(phone, predictor, files)
            phone.shot('app_phone')
            for tab in ('Region or slide','Batch','About'):
                phone.open(tab)
                phone.shot(f"app_phone_{tab.split()[0].lower()}")
            phone.close()
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)
        assert not list(place.iterdir()), list(place.iterdir())
        print(f'All tabs are used, wide and on a phone; {len(visit.asked)+len(phone.asked)} requests, none leaves the machine')


if __name__=='__main__': main()
