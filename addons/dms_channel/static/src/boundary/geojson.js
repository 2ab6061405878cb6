/** Coordinates keep six decimals: a tenth of a metre. */
const DECIMALS = 1e6;

/**
 * The polygons of a GeoJSON text, each a list of rings of [longitude, latitude].
 *
 * @returns {number[][][][] | null} null when the text is no GeoJSON area
 */
export function parsePolygons(text) {
    if (!text || !text.trim()) {
        return [];
    }
    let data;
    try {
        data = JSON.parse(text);
    } catch {
        return null;
    }
    const geometry = data?.type === "Feature" ? data.geometry : data;
    const polygons = { Polygon: [geometry?.coordinates], MultiPolygon: geometry?.coordinates }[
        geometry?.type
    ];
    const isPoint = (point) => Array.isArray(point) && point.length >= 2 && point.every(Number.isFinite);
    const isRing = (ring) => Array.isArray(ring) && ring.length > 3 && ring.every(isPoint);
    const isPolygon = (polygon) => Array.isArray(polygon) && polygon.length && polygon.every(isRing);
    return Array.isArray(polygons) && polygons.every(isPolygon) ? polygons : null;
}

/** The GeoJSON text of polygons: a Polygon, a MultiPolygon, or false for none. */
export function formatPolygons(polygons) {
    if (!polygons.length) {
        return false;
    }
    const rounded = polygons.map((rings) =>
        rings.map((ring) =>
            ring.map((point) => point.slice(0, 2).map((n) => Math.round(n * DECIMALS) / DECIMALS)),
        ),
    );
    return JSON.stringify(
        rounded.length === 1
            ? { type: "Polygon", coordinates: rounded[0] }
            : { type: "MultiPolygon", coordinates: rounded },
    );
}
