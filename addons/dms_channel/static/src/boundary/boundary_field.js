import { _t } from "@web/core/l10n/translation";
import { loadBundle } from "@web/core/assets";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

import { formatPolygons, parsePolygons } from "./geojson";
import { addGraticule, WORLD } from "./graticule";

import { Component, onMounted, onWillStart, onWillUnmount, useEffect, useRef, useState } from "@odoo/owl";

const OWN = { color: "#714B67", weight: 2, fillOpacity: 0.25 };
const AROUND = {
    parent: { color: "#495057", weight: 3, fillOpacity: 0.02 },
    sibling: { color: "#868e96", weight: 1, fillOpacity: 0.12 },
    child: { color: "#017e84", weight: 1, fillOpacity: 0.12 },
};
/** A GeoJSON area, drawn on a map of the territories around it. The map has no tiles: nothing is asked of the outside. */
export class BoundaryField extends Component {
    static template = "dms_channel.BoundaryField";
    static props = { ...standardFieldProps };

    setup() {
        this.orm = useService("orm");
        this.container = useRef("map");
        this.state = useState({ unreadable: false });
        onWillStart(() => loadBundle("dms_channel.assets_leaflet"));
        onMounted(() => this.createMap());
        onWillUnmount(() => {
            this.observer.disconnect();
            this.map.remove();
        });
        useEffect(
            () => this.draw(),
            () => [this.text],
        );
        useEffect(
            () => {
                this.showAround();
            },
            () => [this.parentId, this.props.record.resId],
        );
        useEffect(
            () => this.showControls(),
            () => [this.props.readonly],
        );
    }

    get text() {
        return this.props.record.data[this.props.name] || "";
    }

    get parentId() {
        return this.props.record.data.parent_id?.id || false;
    }

    createMap() {
        this.map = L.map(this.container.el, {
            attributionControl: false,
            maxBounds: L.latLngBounds(WORLD).pad(0.2),
            minZoom: 1,
            worldCopyJump: false,
        }).fitBounds(WORLD);
        addGraticule(this.map);
        this.around = L.featureGroup([], { pmIgnore: true }).addTo(this.map);
        this.own = L.featureGroup().addTo(this.map);
        this.map.pm.setGlobalOptions({
            layerGroup: this.own,
            allowSelfIntersection: false,
            pathOptions: OWN,
            continueDrawing: false,
            // On a narrow map the corners of a hole would snap to the outline.
            snappable: false,
        });
        this.map.on("pm:create", () => this.save());
        this.map.on("pm:remove", ({ layer }) => {
            this.own.removeLayer(layer);
            this.save();
        });
        this.map.on("pm:cut", ({ layer, originalLayer }) => {
            this.own.removeLayer(originalLayer);
            this.own.addLayer(layer);
            this.save();
        });
        this.observer = new ResizeObserver(() => this.map.invalidateSize());
        this.observer.observe(this.container.el);
    }

    showControls() {
        if (this.props.readonly) {
            this.map.pm.disableDraw();
            this.map.pm.removeControls();
            return;
        }
        this.map.pm.setLang(this.language);
        this.map.pm.addControls({
            position: "topleft",
            drawMarker: false,
            drawCircle: false,
            drawCircleMarker: false,
            drawPolyline: false,
            drawText: false,
            rotateMode: false,
        });
    }

    /** Geoman's own translations go by other names than Odoo's. */
    get language() {
        const language = document.documentElement.lang.toLowerCase().replace("_", "-");
        return { "zh-cn": "zh", "zh-tw": "zh_tw", "pt-br": "pt_br" }[language] || language.split("-")[0];
    }

    /** Draw the field's text, unless it is what was drawn here. */
    draw() {
        if (this.text === this.drawn) {
            return;
        }
        const isFirst = this.drawn === undefined;
        const polygons = parsePolygons(this.text);
        this.state.unreadable = polygons === null;
        if (polygons === null) {
            return;
        }
        this.drawn = this.text;
        this.own.clearLayers();
        for (const rings of polygons) {
            const layer = L.polygon(
                rings.map((ring) => ring.slice(0, -1).map(([lon, lat]) => [lat, lon])),
                OWN,
            ).addTo(this.own);
            layer.on("pm:edit pm:dragend", () => this.save());
        }
        if (polygons.length || isFirst) {
            this.fit();
        }
    }

    save() {
        const polygons = [];
        for (const layer of this.own.getLayers()) {
            layer.off("pm:edit pm:dragend").on("pm:edit pm:dragend", () => this.save());
            // What was cut away as a whole has no geometry left.
            const { type, coordinates } = layer.toGeoJSON(false).geometry || {
                type: "MultiPolygon",
                coordinates: [],
            };
            polygons.push(...(type === "MultiPolygon" ? coordinates : [coordinates]));
        }
        const text = formatPolygons(polygons);
        this.drawn = text || "";
        this.state.unreadable = false;
        this.props.record.update({ [this.props.name]: text });
    }

    async showAround() {
        const around = await this.orm.call("dms.territory", "get_backdrop", [
            this.parentId,
            this.props.record.resId || false,
        ]);
        if (!this.container.el) {
            return;
        }
        this.around.clearLayers();
        for (const { kind, name, geometry } of around) {
            L.geoJSON(geometry, { style: AROUND[kind], pmIgnore: true, interactive: kind !== "parent" })
                .bindTooltip(name, { sticky: true })
                .addTo(this.around);
        }
        this.around.bringToBack();
        if (!this.own.getLayers().length) {
            this.fit();
        }
    }

    fit() {
        const layers = this.own.getLayers().length ? this.own : this.around;
        const bounds = layers.getBounds();
        if (bounds.isValid()) {
            this.map.fitBounds(bounds.pad(0.15), { animate: false });
        }
    }

    onTextChange(ev) {
        this.props.record.update({ [this.props.name]: ev.target.value.trim() || false });
    }
}

registry.category("fields").add("dms_boundary", {
    component: BoundaryField,
    displayName: _t("Boundary on a map"),
    supportedTypes: ["text"],
    fieldDependencies: [{ name: "parent_id", type: "many2one" }],
});
