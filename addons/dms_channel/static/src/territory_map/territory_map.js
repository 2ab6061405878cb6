import { _t } from "@web/core/l10n/translation";
import { loadBundle } from "@web/core/assets";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { Layout } from "@web/search/layout";
import { standardActionServiceProps } from "@web/webclient/actions/action_service";

import { addGraticule, WORLD } from "@dms_channel/boundary/graticule";

import { Component, onMounted, onWillStart, onWillUnmount, useRef, useState } from "@odoo/owl";

const PALETTE = [
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#bcbd22",
    "#17becf",
    "#393b79",
    "#637939",
    "#843c39",
];
const SEVERAL = "#6c757d";
const NOBODY = "#dee2e6";
const EXCLUSIVE = "#017e84";
const SHARED = "#e9a23b";

/** All territories with a boundary on one map, with who sells there, and the distributors as points. */
export class TerritoryMap extends Component {
    static template = "dms_channel.TerritoryMap";
    static components = { Layout };
    static props = { ...standardActionServiceProps };

    setup() {
        this.orm = useService("orm");
        this.action = useService("action");
        this.container = useRef("map");
        this.state = useState({ by: "distributor", chosen: null, highlighted: null });
        this.display = { controlPanel: {} };
        onWillStart(async () => {
            const [data] = await Promise.all([
                this.orm.call("dms.territory", "get_map", []),
                loadBundle("dms_channel.assets_leaflet"),
            ]);
            this.territories = data.territories;
            this.points = data.distributors;
            this.byId = Object.fromEntries(this.territories.map((t) => [t.id, t]));
            const holders = new Map();
            for (const territory of this.territories) {
                for (const holder of territory.holders) {
                    holders.set(holder.id, holder.name);
                }
            }
            for (const point of this.points) {
                holders.set(point.id, point.name);
            }
            this.holders = [...holders.keys()].sort((a, b) => holders.get(a).localeCompare(holders.get(b)));
            this.names = Object.fromEntries(holders);
        });
        onMounted(() => this.createMap());
        onWillUnmount(() => {
            this.observer?.disconnect();
            this.map?.remove();
        });
    }

    get isEmpty() {
        return !this.territories.length && !this.points.length;
    }

    get chosen() {
        return this.byId[this.state.chosen];
    }

    get legend() {
        if (this.state.by === "exclusivity") {
            return [
                { color: EXCLUSIVE, label: _t("Exclusive") },
                { color: SHARED, label: _t("Not exclusive") },
                { color: NOBODY, label: _t("No distributor") },
            ];
        }
        return [
            ...this.holders.map((id) => ({ id, color: this.colorOf(id), label: this.names[id] })),
            { color: SEVERAL, label: _t("Several distributors") },
            { color: NOBODY, label: _t("No distributor") },
        ];
    }

    colorOf(id) {
        return PALETTE[this.holders.indexOf(id) % PALETTE.length];
    }

    color({ holders }) {
        if (!holders.length) {
            return NOBODY;
        }
        if (this.state.by === "exclusivity") {
            return holders.some((holder) => holder.exclusive) ? EXCLUSIVE : SHARED;
        }
        const ids = new Set(holders.map((holder) => holder.id));
        return ids.size > 1 ? SEVERAL : this.colorOf(holders[0].id);
    }

    createMap() {
        if (this.isEmpty) {
            return;
        }
        this.map = L.map(this.container.el, {
            attributionControl: false,
            maxBounds: L.latLngBounds(WORLD).pad(0.2),
            minZoom: 1,
            worldCopyJump: false,
        }).fitBounds(WORLD);
        this.areas = L.featureGroup().addTo(this.map);
        this.marks = L.featureGroup().addTo(this.map);
        this.layers = {};
        // The list comes from the top of the tree down: what lies inside is drawn on what is around it.
        for (const territory of this.territories) {
            const layer = L.geoJSON(territory.geometry)
                .bindTooltip(this.tooltip(territory), { sticky: true })
                .on("click", () => this.choose(territory.id));
            this.layers[territory.id] = layer.addTo(this.areas);
        }
        for (const point of this.points) {
            L.circleMarker([point.latitude, point.longitude], {
                radius: 7,
                color: "#fff",
                weight: 2,
                fillOpacity: 1,
                fillColor: this.colorOf(point.id),
                className: "o_dms_map_distributor",
            })
                .bindTooltip(point.placed ? point.name : _t("%s (place of its territory)", point.name), {
                    direction: "top",
                })
                .on("click", () => this.openPartner(point.id))
                .addTo(this.marks);
        }
        this.paint();
        addGraticule(this.map);
        const bounds = L.featureGroup([this.areas, this.marks]).getBounds();
        if (bounds.isValid()) {
            this.map.invalidateSize().fitBounds(bounds.pad(0.1), { animate: false });
        }
        this.observer = new ResizeObserver(() => this.map.invalidateSize());
        this.observer.observe(this.container.el);
    }

    tooltip(territory) {
        const text = document.createElement("div");
        const name = document.createElement("strong");
        name.textContent = territory.name;
        text.append(name);
        for (const holder of territory.holders) {
            const line = document.createElement("div");
            line.textContent = holder.exclusive ? _t("%s, exclusive", holder.name) : holder.name;
            text.append(line);
        }
        return text;
    }

    paint() {
        for (const territory of this.territories) {
            const isDimmed =
                this.state.highlighted &&
                !territory.holders.some((holder) => holder.id === this.state.highlighted);
            this.layers[territory.id].setStyle({
                color: territory.id === this.state.chosen ? "#212529" : "#fff",
                weight: territory.id === this.state.chosen ? 3 : 1.5,
                fillColor: this.color(territory),
                fillOpacity: isDimmed ? 0.08 : 0.55,
            });
        }
    }

    show(by) {
        Object.assign(this.state, { by, highlighted: null });
        this.paint();
    }

    choose(id) {
        this.state.chosen = id;
        this.paint();
    }

    highlight(id) {
        if (id) {
            this.state.highlighted = this.state.highlighted === id ? null : id;
            this.paint();
        }
    }

    openTerritory(id) {
        return this.open("dms.territory", id);
    }

    openPartner(id) {
        return this.open("res.partner", id);
    }

    openAgreement(id) {
        return this.open("dms.agreement", id);
    }

    openList() {
        return this.action.doAction("dms_channel.dms_territory_action");
    }

    open(model, id) {
        return this.action.doAction({
            type: "ir.actions.act_window",
            res_model: model,
            res_id: id,
            views: [[false, "form"]],
        });
    }
}

registry.category("actions").add("dms_territory_map", TerritoryMap);
