/** The part of the globe that people live on, as Leaflet takes bounds. */
export const WORLD = [
    [-60, -180],
    [75, 180],
];
/** Distance of the graticule's lines in degrees, and the zoom from which it is used. */
const STEPS = [
    [0, 30],
    [3, 10],
    [5, 5],
    [6, 2],
    [7, 1],
    [9, 0.5],
    [10, 0.1],
    [13, 0.01],
];

/** Lines of latitude and longitude on a map without tiles; they follow what it shows. */
export function addGraticule(map) {
    const layer = L.layerGroup([], { pmIgnore: true }).addTo(map);
    map.on("moveend", () => draw(map, layer));
    draw(map, layer);
}

function draw(map, layer) {
    const step = STEPS.findLast(([from]) => map.getZoom() >= from)[1];
    const bounds = map.getBounds();
    const lines = (from, to, limit) => {
        const values = [];
        for (let n = Math.ceil(Math.max(from, -limit) / step); n * step <= Math.min(to, limit); n++) {
            values.push(Number((n * step).toFixed(2)));
        }
        return values;
    };
    const style = { color: "#ced4da", weight: 1, interactive: false, pmIgnore: true };
    const label = (latlng, text) =>
        L.marker(latlng, {
            interactive: false,
            keyboard: false,
            pmIgnore: true,
            icon: L.divIcon({ className: "o_dms_graticule_label", html: text, iconSize: null }),
        });
    layer.clearLayers();
    for (const lat of lines(bounds.getSouth(), bounds.getNorth(), 85)) {
        layer.addLayer(L.polyline([[lat, -180], [lat, 180]], style)); // prettier-ignore
        layer.addLayer(label([lat, bounds.getWest()], `${lat}°`));
    }
    for (const lon of lines(bounds.getWest(), bounds.getEast(), 180)) {
        layer.addLayer(L.polyline([[-85, lon], [85, lon]], style)); // prettier-ignore
        layer.addLayer(label([bounds.getSouth(), lon], `${lon}°`));
    }
    layer.eachLayer((line) => line.bringToBack?.());
}
