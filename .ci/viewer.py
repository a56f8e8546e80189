"""Look through slides in Chromium as a pathologist does, with `pcam_view`, and compare what is shown, and where, with the files.

python .ci/viewer.py RUN [--shots FOLDER] [--cases FOLDER]

RUN is the folder of a run. Each control is used, wide and on a phone, in light and dark: by mouse, wheel, keys and fingers. Fails if a place is more than a px off,
a count of regions or an outline differs from that of the package, a note is lost, a request leaves the machine, axe finds a fault, or a page is wider than a phone.
CASES is a folder of slides with bounds and of DICOM, whose tiles have to be in place (default: ../shared/cases/slides, where it is there).
"""
import argparse, json, re, signal, subprocess, tempfile
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np, pandas as pd, shapely
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from scipy import ndimage
from browser import free_port, launch, PHONE, Visit, WIDE
from pcam_nb.sample_slide import generate_slide
from pcam_nb.scan import open_file
from pcam_nb.slide import read_slides
from pcam_nb.zoom import Pyramid, TILE

THRESHOLDS = (.2,.5,.9,.999)


def check_tiles(files):
    "Tiles of slides with bounds, of DICOM and of plain images show the px that `Scan` reads there"
    for file in files:
        pyramid,slide = Pyramid(file),open_file(file)
        w,h = slide.levels[0]
        level = pyramid.about()['levels']-1
        cols,rows = pyramid.tiles.level_tiles[level]
        for c,r in {(0,0), (cols//2,rows//2), (cols-1,rows-1)}:
            x,y = c*TILE,r*TILE
            wanted = slide.read(0, x, y, min(TILE, w-x), min(TILE, h-y))
            got = np.asarray(pyramid.tile(level, c, r))
            assert got.shape==wanted.shape and (got==wanted).all(), f'{file}: tile {c}, {r} is not in place'
        whole = np.asarray(pyramid.tile(max(pyramid.about()['least'], level-1), 0, 0), float) # And half as large
        k = 2**(level-max(pyramid.about()['least'], level-1))
        wanted = np.asarray(Image.fromarray(slide.read(0, 0, 0, min(k*whole.shape[1], w), min(k*whole.shape[0], h))).resize(whole.shape[1::-1], Image.Resampling.BOX), float)
        assert abs(whole-wanted).mean()<8, f'{file}: a coarser tile shows another place, {abs(whole-wanted).mean():.1f}'
        print(f'ok tiles of {file.name}: {w}×{h} px', flush=True)


def serve(out, *options):
    "pcam_view in a process of its own: address and process"
    port = free_port()
    p = subprocess.Popen(['pcam_view', str(out), '--port', str(port), *options], stdout=subprocess.PIPE, text=True)
    assert f':{port}' in p.stdout.readline()
    return f'http://127.0.0.1:{port}', p


class Truth:
    "What the files of a result say"
    def __init__(self, folder):
        self.summary = json.loads((folder/'summary.json').read_text())
        with Image.open(folder/'heatmap.tif') as im: self.p = np.array(im)
        self.regions = json.loads((folder/'regions.geojson').read_text())['features']
        self.tiles,self.places = pd.read_csv(folder/'tiles.csv'),pd.read_csv(folder/'places.csv')

    def count(self, threshold): return ndimage.label(np.nan_to_num(self.p, nan=-1)>=threshold)[1]

    def best(self, i):
        "Middle of the most suspicious window of region `i`, by tiles.csv"
        outline = shapely.geometry.shape(self.regions[i]['geometry'])
        t = self.tiles
        x,y = t.x+t.width/2,t.y+t.height/2
        inside = shapely.contains_xy(outline, x, y)
        k = t.probability.where(inside, -1).idxmax()
        return x[k],y[k]


class Viewing(Visit):
    "A browser at a slide"
    def where(self):
        "What the address says: where the map is"
        return dict(parse_qsl(self.page.evaluate('location.hash').lstrip('#')))

    def settle(self, x, y, z='0'):
        "Wait until the map is there, and check that it is"
        page = self.page
        page.wait_for_function('([x, y, z]) => { const o = new URLSearchParams(location.hash.slice(1)); return Math.abs(o.get("x") - x) <= 1 && Math.abs(o.get("y") - y) <= 1 && o.get("z") === z }', arg=[float(x),float(y),z])

    def middle(self):
        o = self.page.locator('.viewer-map').bounding_box()
        return o['x']+o['width']/2, o['y']+o['height']/2

    def tiles_asked(self): return len([o for o in self.asked if '/tiles/' in o])

    def focus(self):
        self.page.mouse.move(5, 5) # Away from the map, so that keys act in its middle
        self.page.locator('.viewer-map').focus()


def use_list(visit, names):
    "Sort, filter, open"
    page = visit.page
    rows = page.locator('#slides tbody tr')
    expect(rows).to_have_count(len(names))
    scores = [float(o) for o in page.locator('#slides tbody td:nth-child(3)').all_inner_texts()]
    assert scores==sorted(scores, reverse=True), scores
    visit.look('worklist')
    page.locator('#order').select_option('name')
    assert page.locator('#slides tbody a').all_inner_texts()==sorted(f'{o}.tif' for o in names)
    for order in ('area','regions','unusual','score'): page.locator('#order').select_option(order)
    page.locator('#find').fill(names[1])
    expect(rows).to_have_count(1)
    page.locator('#find').fill('')
    for which in ('open','done','notes','regions','warns','all'): page.locator('#which').select_option(which)
    expect(rows).to_have_count(len(names))
    page.wait_for_function("() => [...document.querySelectorAll('#slides img')].slice(0, 3).every(o => o.naturalWidth > 0)")
    page.get_by_role('link', name=f'{names[0]}.tif').click()
    page.locator('#viewer[data-ready]').wait_for()
    box = page.locator('[data-layer=heat]') # Keys work before anything is clicked
    expect(box).to_be_checked()
    page.keyboard.press('h')
    expect(box).not_to_be_checked()
    page.keyboard.press('h')
    for part in ('td:first-child','td:nth-child(4)'): # A click anywhere in a row opens its slide
        page.locator('#back').click()
        page.locator(f'#slides tr[data-name="{names[0]}"] {part}').click()
        page.locator('#viewer[data-ready]').wait_for()


def use_places(visit, truth):
    "Regions and patches are where the files say, list and map linked both ways"
    page = visit.page
    for i in (2,0): # A click on region 3 centres it at full zoom
        if i>=len(truth.regions): continue
        page.get_by_role('button', name=f'Go to region {i+1}', exact=True).click()
        x,y = truth.best(i)
        visit.settle(x, y)
        expect(page.locator(f'.regions tr[data-region="{i+1}"]')).to_have_attribute('aria-selected', 'true')
        page.wait_for_timeout(300)
        o,(mx,my) = page.locator(f'.viewer-number[title="Region {i+1}"] b').bounding_box(),visit.middle()
        assert abs(o['x']+o['width']/2-mx)<=1.5 and abs(o['y']+o['height']/2-my)<=1.5, (o, mx, my) # The number stands in the middle of the map
    page.wait_for_function("() => [...document.querySelectorAll('.leaflet-tile-pane .leaflet-tile-loaded')].length > 3")
    size = page.evaluate("""() => { const o = [...document.querySelectorAll('.leaflet-tile-pane canvas.leaflet-tile-loaded')].at(-1), d = o.getContext('2d').getImageData(0, 0, 256, 256).data; return d.filter((_, i) => i % 4 === 3 && d[i] === 255).length }""")
    assert size>1000, 'a tile is empty'
    page.mouse.click(*visit.middle()) # What lies under a click is marked in the list
    expect(page.locator('.regions tr[aria-selected=true]')).to_have_count(1)
    for i in (1,0):
        page.locator('.patches button').nth(i).click()
        visit.settle(truth.places.x[i], truth.places.y[i])
        expect(page.locator('.viewer-told')).to_contain_text(f'Patch {"AB"[i]}: probability {truth.places.probability[i]:.3f}')
    page.locator('.viewer-number[title="Patch A"] b').click(force=True)
    expect(page.locator('.patches button').first).to_have_attribute('aria-pressed', 'true')


def use_threshold(visit, truth):
    "The slider redraws the regions at once, as the package finds them"
    page = visit.page
    slider,n = page.locator('#viewer-threshold'),visit.tiles_asked()
    for t in THRESHOLDS:
        slider.fill(str(t))
        n,said = truth.count(t),page.locator('#viewer-count')
        expect(said).to_contain_text(f'{n:,} region' if n else 'no tumour in the centre')
        if n: expect(said).to_contain_text(f"{np.sum(truth.p>=t)*truth.summary['job']['stride']**2*np.prod(truth.summary['um_per_px'])/1e6:.3f} mm²")
    page.get_by_role('button', name=re.compile('As it was read')).click()
    expect(page.locator('#viewer-count')).to_contain_text(f"{len(truth.regions):,} region")
    areas = [float(o) for o in page.locator('.regions tbody td:nth-child(2)').all_inner_texts()]
    wanted = [o['properties']['measurements'] for o in truth.regions[:200]]
    assert np.allclose(areas, [o['Area mm²'] for o in wanted], atol=1e-4), (areas, wanted)
    wide = [float(o) for o in page.locator('.regions tbody td:nth-child(3)').all_inner_texts()]
    assert np.allclose(wide, [o['Largest diameter mm'] for o in wanted], atol=.0011), (wide, wanted)


def use_layers(visit, truth):
    "Each layer, by its control and its key"
    page = visit.page
    page.get_by_role('button', name='Whole slide').click()
    shown = dict(heat='.leaflet-overlay-pane .viewer-cells', places='.viewer-letter', regions='.viewer-number[title^=Region]', band='.leaflet-overlay-pane .viewer-cells')
    count = lambda o: page.locator(shown[o]).count()
    for name,key in dict(heat='h', regions='r', places='p', band='b', unusual='u').items():
        box = page.locator(f'[data-layer={name}]')
        if box.is_disabled(): continue
        before,on = (count(name) if name in shown else 0),box.is_checked()
        box.set_checked(not on)
        if name in shown: assert count(name)!=before, name
        visit.focus()
        page.keyboard.press(key)
        expect(box).to_be_checked(checked=on)
        if name in shown: assert count(name)==before, name
    page.locator('.viewer [aria-label="Opacity of the heatmap"]').fill('0.9')
    expect(page.locator('.leaflet-overlay-pane .viewer-cells').first).to_have_css('opacity', '0.9')
    visit.focus()
    before = float(page.locator('#viewer-threshold').input_value())
    page.keyboard.press('[')
    assert abs(float(page.locator('#viewer-threshold').input_value())-before+.05)<.002
    page.keyboard.press(']')


def use_zoom(visit, truth):
    "Wheel, keys, buttons, fingers, overview; tiles come"
    page,n = visit.page,visit.tiles_asked()
    page.locator('.viewer-map').scroll_into_view_if_needed()
    page.get_by_role('button', name='Whole slide').click()
    zoom = lambda: float(visit.where()['z'])
    grows = lambda before: page.wait_for_function('z => Number(new URLSearchParams(location.hash.slice(1)).get("z")) > z', arg=before)
    page.locator('.viewer-map').scroll_into_view_if_needed()
    page.mouse.move(*visit.middle())
    before = zoom()
    page.mouse.wheel(0, -300)
    grows(before)
    page.wait_for_timeout(400)
    visit.focus()
    before = zoom()
    page.keyboard.press('+')
    grows(before)
    page.wait_for_timeout(400)
    x = float(visit.where()['x'])
    page.keyboard.press('ArrowRight')
    page.wait_for_function('x => Number(new URLSearchParams(location.hash.slice(1)).get("x")) > x', arg=x)
    before = zoom()
    page.get_by_role('button', name='Zoom in').click()
    grows(before)
    page.wait_for_timeout(400)
    if visit.size is PHONE: pinch(visit, zoom, grows)
    assert visit.tiles_asked()>n+3, 'no tile was asked for'
    o = page.locator('.viewer-small').bounding_box()
    page.mouse.click(o['x']+.5*o['width'], o['y']+.5*o['height'])
    w,h = truth.p.shape[1]*32,truth.p.shape[0]*32
    page.wait_for_function('([x, y]) => { const o = new URLSearchParams(location.hash.slice(1)); return Math.abs(o.get("x") - x) < 120 && Math.abs(o.get("y") - y) < 120 }', arg=[w/2+32,h/2+32])
    bar = page.locator('.viewer-bar span')
    um,px = float(bar.get_attribute('data-um')),bar.bounding_box()['width']
    assert abs(um/px-truth.summary['slide_um_per_px'][0]/2**zoom())<.05*um/px, (um, px, zoom()) # µm on the scale bar
    visit.focus()
    page.keyboard.press('0')


def pinch(visit, zoom, grows):
    "Two fingers that move apart"
    before,(x,y),cdp = zoom(),visit.middle(),visit.context.new_cdp_session(visit.page)
    at = lambda d: [dict(x=x-d, y=y, id=0),dict(x=x+d, y=y, id=1)]
    cdp.send('Input.dispatchTouchEvent', dict(type='touchStart', touchPoints=at(40)))
    for d in range(45, 120, 10): cdp.send('Input.dispatchTouchEvent', dict(type='touchMove', touchPoints=at(d)))
    cdp.send('Input.dispatchTouchEvent', dict(type='touchEnd', touchPoints=[]))
    grows(before)
    visit.page.wait_for_timeout(400)


def check_outlines(page, trials=20):
    "Regions of random heatmaps, of which many touch at corners or have holes that do, as the browser finds them and as shapely does"
    rng = np.random.default_rng(0)
    for _ in range(trials):
        rows,cols = rng.integers(2, 24, 2)
        p = rng.random((rows, cols)).round(3)
        found = page.evaluate("async ([p, rows, cols]) => (await import('/static/regions.js')).findRegions(p, rows, cols, .4).found.map(o => o.corners)", [p.ravel().tolist(), int(rows), int(cols)])
        labels,n = ndimage.label(p>=.4)
        wanted = [shapely.coverage_union_all(shapely.box(x, y, x+1, y+1)) for y,x in (np.argwhere(labels==i+1).T for i in range(n))]
        polygons = [shapely.Polygon(o[0], o[1:]) for o in found]
        assert len(polygons)==n and all(o.is_valid for o in polygons), 'an outline touches itself'
        assert {shapely.to_wkb(shapely.normalize(o.simplify(0))) for o in polygons}=={shapely.to_wkb(shapely.normalize(o.simplify(0))) for o in wanted}, 'outlines differ'
    print(f'ok outlines of {trials} random heatmaps', flush=True)


def use_tools(visit, truth):
    "Measure by mouse and by keys, draw, correct, export"
    page,mpp = visit.page,truth.summary['slide_um_per_px']
    page.get_by_role('button', name='Go to region 1', exact=True).click()
    visit.settle(*truth.best(0))
    page.wait_for_timeout(900)
    page.locator('.viewer .tools button', has_text='Measure').click()
    page.locator('.viewer-map').scroll_into_view_if_needed()
    mx,my = visit.middle()
    page.mouse.click(mx-60, my-40)
    page.mouse.click(mx+60, my+50)
    um = float(page.locator('.viewer-told').get_attribute('data-um'))
    assert abs(um-np.hypot(120*mpp[0], 90*mpp[1]))<2*mpp[0], um
    expect(page.locator('.viewer-told')).to_contain_text(f'Measured: {um:,.0f} µm')
    visit.focus()
    page.keyboard.press('m') # By keys: from the middle to the middle, moved
    page.keyboard.press('Enter')
    page.keyboard.press('ArrowRight')
    page.wait_for_timeout(700)
    page.keyboard.press('Enter')
    expect(page.locator('.viewer-told')).to_have_attribute('data-um', re.compile(r'^1[01]\d'))
    page.locator('.viewer [aria-label="Correct region 1 to"]').select_option('Tumor')
    page.locator('.viewer [aria-label="Correct region 2 to"]').select_option('Non-Tumor')
    page.locator('.viewer [aria-label="What is drawn"]').select_option('Ignore*')
    visit.focus()
    page.keyboard.press('d')
    page.locator('.viewer-map').scroll_into_view_if_needed()
    mx,my = visit.middle()
    for dx,dy in ((-50,-50),(50,-50),(50,50),(-50,50)): page.mouse.click(mx+dx, my+dy)
    page.get_by_role('button', name=re.compile('Draw a region')).click()
    features = json.loads(Path(visit.download(page.get_by_role('button', name='Export corrections'))).read_text())['features']
    assert [o['properties']['classification']['name'] for o in features]==['Tumor','Non-Tumor','Ignore*'], features
    for o,wanted in zip(features[:2], truth.regions): # The outline in the browser is the package's
        a,b = shapely.geometry.shape(o['geometry']),shapely.geometry.shape(wanted['geometry'])
        assert a.is_valid and a.symmetric_difference(b).area<1e-3*b.area, 'the outline of a region differs'
    drawn = shapely.geometry.shape(features[2]['geometry'])
    assert abs(drawn.area-100*100)<300, drawn.area
    return features


def use_review(visit, out, name, features):
    "Notes and marks are saved beside the results, and there again after a reload"
    page,file = visit.page,out/f'{name}.review.json'
    page.locator('#notes').fill(f'Looked at, {visit.theme}')
    page.locator('#done').check()
    expect(page.locator('#saved')).to_have_text('Saved')
    said = json.loads(file.read_text())
    assert said['done'] and said['notes']==f'Looked at, {visit.theme}' and said['features']==features, said
    assert json.loads((out/'corrected'/f'{name}.geojson').read_text())['features']==features
    page.reload()
    page.locator('#viewer[data-ready]').wait_for()
    expect(page.locator('#notes')).to_have_value(f'Looked at, {visit.theme}')
    expect(page.locator('.drawn li')).to_have_count(3)
    expect(page.locator('.viewer [aria-label="Correct region 2 to"]')).to_have_value('Non-Tumor')
    for _ in range(3): page.locator('.drawn button', has_text='Remove').first.click()
    page.locator('#done').uncheck()
    expect(page.locator('#saved')).to_have_text('Saved')
    assert not (out/'corrected'/f'{name}.geojson').exists() and json.loads(file.read_text())['features']==[]


def use_link(visit, truth):
    "A link opens the same place"
    page = visit.page
    page.locator('.patches button').nth(1).click()
    visit.settle(truth.places.x[1], truth.places.y[1])
    page.locator('#viewer-threshold').fill('0.7')
    page.locator('[data-layer=heat]').uncheck()
    page.get_by_role('button', name='Copy link').click()
    link = page.evaluate('navigator.clipboard.readText()')
    other = visit.context.new_page()
    other.goto(link)
    other.locator('#viewer[data-ready]').wait_for()
    expect(other.locator('#viewer-threshold')).to_have_value('0.7')
    expect(other.locator('[data-layer=heat]')).not_to_be_checked()
    there = dict(parse_qsl(other.evaluate('location.hash').lstrip('#')))
    assert abs(float(there['x'])-truth.places.x[1])<=1 and abs(float(there['y'])-truth.places.y[1])<=1 and there['z']=='0', there
    other.close()
    page.get_by_role('button', name=re.compile('As it was read')).click()
    page.locator('[data-layer=heat]').check()


def use_page(playwright, out, name, size):
    "slide.html, alone: zoom by button, keys and wheel, and nothing is fetched"
    browser = launch(playwright)
    page,asked,faults = browser.new_page(viewport=size),[],[]
    page.on('request', lambda o: asked.append(o.url))
    page.on('pageerror', lambda o: faults.append(str(o)))
    page.goto((out/name/'slide.html').as_uri())
    k = lambda: page.evaluate("Number(getComputedStyle(document.querySelector('.layers')).getPropertyValue('--k'))")
    assert page.evaluate('document.documentElement.scrollWidth')<=size['width']
    for act in (lambda: page.get_by_role('button', name='Zoom in').click(), lambda: (page.locator('.frame').focus(), page.keyboard.press('+')),
                lambda: (page.locator('.frame').hover(), page.mouse.wheel(0, -300))):
        before = k()
        act()
        page.wait_for_function("k => Number(document.querySelector('.layers').style.getPropertyValue('--k')) > k", arg=before)
    page.get_by_role('button', name='Whole slide').click()
    assert k()==1 and not faults and all(o.startswith(('file:','data:')) for o in asked), (faults, asked)
    for o in ('trained on','resolution of the slide','read on','versions','How to read it'): assert o in page.content(), o
    browser.close()


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('run'), p.add_argument('--shots'), p.add_argument('--cases', default='../shared/cases/slides')
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as tmp, sync_playwright() as playwright:
        tmp = Path(tmp)
        shots,slides,out,names = Path(args.shots or tmp/'shots'),tmp/'slides',tmp/'out',['tumour','small','none']
        for o in (shots,slides): o.mkdir(exist_ok=True)
        for name,size,mm in zip(names, ((2600,2000),(1300,1100),(1100,1000)), ((.7,.5),(.3,),(.2,))): generate_slide(slides/f'{name}.tif', *size, mm, seed=len(name), progress=False)
        read_slides(args.run, [slides], out, 'cpu', say=lambda o: None, progress=False)
        with Image.open(slides/'small.tif') as im: im.convert('RGB').save(tmp/'plain.jpg', quality=95)
        cases = Path(args.cases)
        found = [*cases.glob('*.scn'), *sorted(cases.glob('dicom_series/*.dcm'))[:1]] if cases.is_dir() else []
        check_tiles([slides/'tumour.tif', tmp/'plain.jpg', *found])
        address,server = serve(out)
        truth,asked,tiles = Truth(out/names[0]),0,0
        try:
            for size,theme in ((WIDE,'light'),(PHONE,'dark'),(WIDE,'dark'),(PHONE,'light')):
                visit = Viewing(playwright, address, shots, size, theme, touch=size is PHONE)
                kind = 'phone' if size is PHONE else 'wide'
                visit.page.locator('#list').wait_for()
                use_list(visit, names)
                visit.look(f'{kind}_viewer')
                use_places(visit, truth)
                use_threshold(visit, truth)
                visit.look(f'{kind}_viewer_near')
                if theme=='light' or size is PHONE: # Each once wide, once by fingers
                    use_layers(visit, truth)
                    use_zoom(visit, truth)
                    check_outlines(visit.page)
                    features = use_tools(visit, truth)
                    use_review(visit, out, names[0], features)
                    use_link(visit, truth)
                visit.page.get_by_role('button', name='Next').click()
                expect(visit.page.locator('#title')).not_to_have_text(f'{names[0]}.tif')
                visit.page.locator('#viewer[data-ready]').wait_for()
                visit.page.get_by_role('button', name='All slides').click()
                expect(visit.page.locator('#list')).to_be_visible()
                asked,tiles = asked+len(visit.asked),tiles+visit.tiles_asked()
                visit.close()
                print(f'ok {kind}, {theme}', flush=True)
            for size in (WIDE,PHONE): use_page(playwright, out, names[0], size)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(20)
        print(f'All controls are used, wide and on a phone, in light and dark; {asked} requests, {tiles} of them for tiles, none leaves the machine')


if __name__=='__main__': main()
