import { _t } from "@web/core/l10n/translation";
import { loadBundle } from "@web/core/assets";
import { registry } from "@web/core/registry";
import { standardFieldProps } from "@web/views/fields/standard_field_props";

import { Component, onWillStart, useEffect, useRef } from "@odoo/owl";

/** Draws {dates, history, came, expected, low, high}: what was sold before and since, what is expected, and the band that eight days in ten fall into. */
export class FanChartField extends Component {
    static template = "dms_forecast.FanChartField";
    static props = { ...standardFieldProps };

    setup() {
        this.canvas = useRef("canvas");
        onWillStart(() => loadBundle("web.chartjs_lib"));
        useEffect(
            () => {
                if (!this.value || !this.canvas.el) {
                    return;
                }
                const chart = new Chart(this.canvas.el, this.config);
                return () => chart.destroy();
            },
            () => [this.value, this.canvas.el],
        );
    }

    get value() {
        const value = this.props.record.data[this.props.name];
        return value && value.dates && value.dates.length ? value : null;
    }

    get config() {
        const { dates, history, came, expected, low, high } = this.value;
        const ahead = (values) => [...history.map(() => null), ...values];
        const line = (label, data, colour, extra = {}) => ({
            type: "line",
            label,
            data,
            borderColor: colour,
            backgroundColor: colour,
            borderWidth: 2,
            pointRadius: 0,
            tension: 0.2,
            ...extra,
        });
        return {
            data: {
                labels: dates,
                datasets: [
                    line(_t("Expected"), ahead(expected), "#714B67"),
                    line(_t("Low (10 %)"), ahead(low), "rgba(113, 75, 103, 0.35)", { borderWidth: 1 }),
                    line(_t("High (90 %)"), ahead(high), "rgba(113, 75, 103, 0.35)", {
                        borderWidth: 1,
                        fill: "-1",
                        backgroundColor: "rgba(113, 75, 103, 0.15)",
                    }),
                    {
                        type: "bar",
                        label: _t("Sold"),
                        data: history,
                        backgroundColor: "#017e84",
                        grouped: false,
                    },
                    ...(came.length
                        ? [
                              {
                                  type: "bar",
                                  label: _t("Sold since"),
                                  data: ahead(came),
                                  backgroundColor: "#e4a900",
                                  grouped: false,
                              },
                          ]
                        : []),
                ],
            },
            options: {
                maintainAspectRatio: false,
                animation: false,
                interaction: { mode: "index", intersect: false },
                scales: {
                    x: { ticks: { maxTicksLimit: 12 }, grid: { display: false } },
                    y: { beginAtZero: true },
                },
                plugins: { legend: { position: "bottom" } },
            },
        };
    }
}

registry.category("fields").add("dms_fan_chart", {
    component: FanChartField,
    displayName: _t("Fan chart"),
    supportedTypes: ["json"],
});
