"""Who and what the demo is about: an invented brand of drinks, its network, and how each product sells."""

from typing import NamedTuple

COMPANY = "Qinghe Beverages 清禾饮品"


class Product(NamedTuple):
    """One drink. ``price`` is the list price and ``cost`` the standard cost of a bottle in yuan, ``daily`` the bottles
    that a distributor of weight 1 sells on an average day, ``trend`` the change of that within a year (0.5: half more),
    ``festive`` and ``summer`` the strength of the two seasons, ``life`` the shelf life in days."""

    code: str
    name: str
    chinese: str
    category: str
    size: int
    price: float
    cost: float
    daily: float
    trend: float = 0.0
    festive: float = 0.3
    summer: float = 0.2
    life: int = 365

    @property
    def chinese_name(self):
        """'Orange Juice 100 % 1 L' -> '鲜橙汁 家庭装 1 L'"""
        return " ".join((self.chinese, *self.name.split()[-2:]))


CATEGORIES = {
    "tea": "Tea Drinks 茶饮料",
    "juice": "Juices 果汁",
    "milk": "Milk Tea & Plant Drinks 奶茶与植物饮料",
    "water": "Water & Sports Drinks 水与运动饮料",
}

PRODUCTS = (
    Product("QH-T01", "Jasmine Green Tea 500 ml", "茉莉清茶", "tea", 24, 3.6, 1.65, 150, 0.05, 0.2, 0.35),
    Product(
        "QH-T02", "Oolong Tea, Unsweetened 500 ml", "无糖乌龙茶", "tea", 24, 4.2, 1.8, 130, 0.20, 0.2, 0.3
    ),
    Product("QH-T03", "Iced Lemon Black Tea 500 ml", "柠檬冰红茶", "tea", 24, 3.4, 1.5, 170, 0.0, 0.2, 0.45),
    Product("QH-T04", "White Peach Oolong 500 ml", "白桃乌龙", "tea", 24, 4.5, 1.95, 80, 0.10, 0.2, 0.3),
    Product("QH-T05", "Honey Green Tea 500 ml", "蜂蜜绿茶", "tea", 24, 3.5, 1.6, 70, -0.10, 0.2, 0.3),
    Product("QH-T06", "Pu'er Tea, Unsweetened 500 ml", "无糖普洱茶", "tea", 24, 4.4, 1.9, 45, 0.10, 0.3, 0.1),
    Product("QH-T07", "Jasmine Green Tea 1 L", "茉莉清茶 家庭装", "tea", 12, 5.8, 2.7, 40, 0.0, 0.5, 0.2),
    Product("QH-J01", "Orange Juice 100 % 300 ml", "鲜橙汁", "juice", 24, 5.6, 2.9, 60, 0.05, 0.7, 0.1, 270),
    Product(
        "QH-J02", "Orange Juice 100 % 1 L", "鲜橙汁 家庭装", "juice", 12, 12.8, 6.6, 30, 0.05, 1.2, 0.1, 270
    ),
    Product("QH-J03", "Apple Juice 300 ml", "苹果汁", "juice", 24, 5.2, 2.6, 45, 0.0, 0.7, 0.1, 270),
    Product("QH-J04", "Grape Juice 300 ml", "葡萄汁", "juice", 24, 5.4, 2.7, 35, 0.0, 0.8, 0.1, 270),
    Product("QH-J05", "Sour Plum Drink 500 ml", "酸梅汤", "juice", 24, 4.0, 1.7, 75, 0.05, 0.2, 0.6),
    Product("QH-J06", "Rock Sugar Pear Drink 500 ml", "冰糖雪梨", "juice", 24, 3.9, 1.7, 80, 0.0, 0.5, -0.15),
    Product("QH-J07", "Hawthorn Juice 350 ml", "山楂汁", "juice", 24, 4.8, 2.2, 35, 0.05, 1.0, -0.1),
    Product("QH-M01", "Classic Milk Tea 400 ml", "经典奶茶", "milk", 24, 5.2, 2.4, 90, 0.0, 0.3, -0.1, 270),
    Product("QH-M02", "Matcha Milk Tea 400 ml", "抹茶奶茶", "milk", 24, 5.4, 2.5, 45, 0.05, 0.3, -0.1, 270),
    Product("QH-M03", "Taro Milk Tea 400 ml", "香芋奶茶", "milk", 24, 5.4, 2.5, 40, -0.05, 0.3, -0.1, 270),
    Product("QH-M04", "Coconut Drink 245 ml", "椰子汁", "milk", 24, 4.6, 2.1, 65, 0.0, 1.3, 0.1),
    Product("QH-M05", "Walnut Drink 240 ml", "核桃露", "milk", 24, 4.2, 1.9, 50, 0.0, 1.6, -0.2),
    Product(
        "QH-W01", "Mountain Spring Water 550 ml", "山泉水", "water", 24, 1.6, 0.6, 240, 0.05, 0.1, 0.5, 540
    ),
    Product("QH-W02", "Sparkling Water Lime 480 ml", "青柠气泡水", "water", 12, 4.8, 1.9, 55, 0.10, 0.2, 0.4),
    Product(
        "QH-W03", "Sparkling Water Grapefruit 480 ml", "西柚气泡水", "water", 12, 4.8, 1.9, 40, 0.0, 0.2, 0.4
    ),
    # The growing product and the dying one.
    Product("QH-W04", "Electrolyte Water 600 ml", "电解质水", "water", 12, 5.2, 2.0, 35, 2.6, 0.1, 0.4),
    Product("QH-W05", "Vitamin Drink 500 ml", "维生素饮料", "water", 12, 4.9, 2.1, 45, -0.92, 0.1, 0.2),
)


class Member(NamedTuple):
    """A distributor, or an outlet: ``upstream`` names its distributor."""

    code: str
    name: str
    street: str
    city: str
    state: str
    zip: str
    upstream: str = ""


# Discount of each grade's price list, in percent.
DISCOUNTS = {"gold": 14, "silver": 10, "bronze": 6}
GRADE_NAMES = {"gold": "金牌", "silver": "银牌", "bronze": "铜牌"}
VAT = 1.13


class Terms(NamedTuple):
    """Of a distributor: ``target`` is a year's purchases in yuan, ``weight`` scales its sales, ``phase`` is the day of the four-week cycle on which it orders,
    ``late`` the share of invoices that it pays after the due date, ``days`` the payment term, ``without`` the products
    that it does not carry, ``missed`` how many of the most urgent products it forgot in
    its last order."""

    grade: str
    target: int
    territories: tuple
    categories: tuple
    exclusive: bool
    weight: float
    phase: int
    late: float
    days: int
    without: tuple = ()
    missed: int = 0


DISTRIBUTORS = {
    "north": Member(
        "D-BJ01",
        "北京朔方商贸有限公司 (Beijing Shuofang Trading)",
        "朝阳区百子湾路 16 号",
        "北京",
        "BJ",
        "100022",
    ),
    "east": Member(
        "D-SH01", "上海沪瀚食品有限公司 (Shanghai Huhan Foods)", "普陀区真北路 988 号", "上海", "SH", "200333"
    ),
    "zhejiang": Member(
        "D-HZ01",
        "杭州越溪饮品有限公司 (Hangzhou Yuexi Beverages)",
        "拱墅区石祥路 202 号",
        "杭州",
        "ZJ",
        "310015",
    ),
    "south": Member(
        "D-GZ01",
        "广州穗和贸易有限公司 (Guangzhou Suihe Trading)",
        "白云区机场路 138 号",
        "广州",
        "GD",
        "510405",
    ),
    "central": Member(
        "D-WH01",
        "武汉楚江供应链有限公司 (Wuhan Chujiang Supply)",
        "江汉区发展大道 176 号",
        "武汉",
        "HB",
        "430022",
    ),
    "southwest": Member(
        "D-CD01",
        "成都蜀韵商贸有限公司 (Chengdu Shuyun Trading)",
        "金牛区交大路 183 号",
        "成都",
        "SC",
        "610031",
    ),
}

TERMS = {
    "north": Terms("gold", 3200000, ("north", "northeast"), (), True, 1.35, 22, 0.10, 30,
                   ("QH-T05", "QH-T07", "QH-J04", "QH-J03", "QH-M03", "QH-W03"), 2),
    "east": Terms("gold", 3500000, ("SH", "JS", "AH", "SD"), (), True, 1.45, 13, 0.05, 30,
                  ("QH-T05", "QH-T06", "QH-J03", "QH-J06", "QH-J07", "QH-M05")),
    "zhejiang": Terms("silver", 2100000, ("ZJ",), ("tea", "juice", "water", "milk"), True, 0.85, 13, 0.0, 30,
                      ("QH-T06", "QH-T07", "QH-J03", "QH-J04", "QH-J06", "QH-J07", "QH-M02", "QH-M03", "QH-M05", "QH-W03")),
    "south": Terms("gold", 2900000, ("south",), (), True, 1.25, 22, 0.25, 30,
                   ("QH-T06", "QH-T07", "QH-J03", "QH-J04", "QH-J06", "QH-J07", "QH-M02", "QH-M05")),
    "central": Terms("silver", 2100000, ("central",), (), False, 0.9, 4, 0.30, 30,
                     ("QH-T05", "QH-T06", "QH-T07", "QH-J02", "QH-J04", "QH-J06", "QH-J07", "QH-M03", "QH-W02", "QH-W03"), 2),
    "southwest": Terms("bronze", 1700000, ("southwest", "northwest"), (), True, 0.75, 4, 0.35, 15,
                       ("QH-T04", "QH-T06", "QH-T07", "QH-J02", "QH-J04", "QH-J07", "QH-M02", "QH-M03", "QH-M05", "QH-W02", "QH-W03"), 1),
}  # fmt: skip

# Who has not paid the order before its last one.
OWING = ("south", "southwest")

OUTLETS = {
    "north_1": Member("S-BJ001", "悦邻便利店 三里屯店 (Yuelin Convenience, Sanlitun)", "工体北路 21 号", "北京", "BJ", "100027", "north"),
    "north_2": Member("S-BJ002", "禾家超市 望京店 (Hejia Supermarket, Wangjing)", "阜通东大街 6 号", "北京", "BJ", "100102", "north"),
    "north_3": Member("S-TJ001", "津味食品行 (Jinwei Food Store)", "南京路 189 号", "天津", "TJ", "300051", "north"),
    "east_1": Member("S-SH001", "弄堂小卖 静安店 (Longtang Corner Shop, Jing'an)", "愚园路 228 号", "上海", "SH", "200040", "east"),
    "east_2": Member("S-SH002", "浦江生鲜超市 (Pujiang Fresh Market)", "浦东南路 1101 号", "上海", "SH", "200120", "east"),
    "east_3": Member("S-SZ001", "姑苏茶食铺 (Gusu Tea & Snacks)", "观前街 77 号", "苏州", "JS", "215005", "east"),
    "zhejiang_1": Member("S-HZ001", "西子便利 武林店 (Xizi Convenience, Wulin)", "延安路 530 号", "杭州", "ZJ", "310006", "zhejiang"),
    "zhejiang_2": Member("S-HZ002", "湖畔餐饮 (Hupan Catering)", "南山路 122 号", "杭州", "ZJ", "310002", "zhejiang"),
    "zhejiang_3": Member("S-NB001", "甬城超市 (Yongcheng Supermarket)", "中山东路 155 号", "宁波", "ZJ", "315000", "zhejiang"),
    "south_1": Member("S-GZ001", "穗园士多 (Suiyuan Store)", "北京路 238 号", "广州", "GD", "510030", "south"),
    "south_2": Member("S-GZ002", "珠江茶餐厅 (Zhujiang Tea Restaurant)", "花城大道 87 号", "广州", "GD", "510623", "south"),
    "south_3": Member("S-SZ101", "鹏城便利 南山店 (Pengcheng Convenience, Nanshan)", "科苑路 15 号", "深圳", "GD", "518057", "south"),
    "central_1": Member("S-WH001", "江城热干面馆 (Jiangcheng Noodle House)", "户部巷 12 号", "武汉", "HB", "430060", "central"),
    "central_2": Member("S-WH002", "楚天超市 (Chutian Supermarket)", "中南路 9 号", "武汉", "HB", "430071", "central"),
    "central_3": Member("S-CS001", "湘味食品店 (Xiangwei Food Store)", "黄兴中路 68 号", "长沙", "HN", "410005", "central"),
    "southwest_1": Member("S-CD001", "锦里小铺 (Jinli Corner Shop)", "武侯祠大街 231 号", "成都", "SC", "610041", "southwest"),
    "southwest_2": Member("S-CD002", "蓉城火锅 春熙店 (Rongcheng Hotpot, Chunxi)", "春熙路南段 8 号", "成都", "SC", "610016", "southwest"),
    "southwest_3": Member("S-CQ001", "山城便利 (Shancheng Convenience)", "民权路 27 号", "重庆", "CQ", "400010", "southwest"),
}  # fmt: skip

REGIONS = {
    "north": ("North China", "华北", ("BJ", "TJ", "HE", "SX", "NM")),
    "northeast": ("Northeast China", "东北", ("LN", "JL", "HL")),
    "east": ("East China", "华东", ("SH", "JS", "ZJ", "AH", "SD")),
    "south": ("South China", "华南", ("GD", "GX", "HI", "FJ")),
    "central": ("Central China", "华中", ("HA", "HB", "HN", "JX")),
    "southwest": ("Southwest China", "西南", ("SC", "CQ", "GZ", "YN", "XZ")),
    "northwest": ("Northwest China", "西北", ("SN", "GS", "QH", "NX", "XJ")),
}

# Latin names of the provinces, whose records have Chinese names.
PROVINCES = {
    "BJ": "Beijing", "TJ": "Tianjin", "HE": "Hebei", "SX": "Shanxi", "NM": "Inner Mongolia", "LN": "Liaoning",
    "JL": "Jilin", "HL": "Heilongjiang", "SH": "Shanghai", "JS": "Jiangsu", "ZJ": "Zhejiang", "AH": "Anhui",
    "SD": "Shandong", "GD": "Guangdong", "GX": "Guangxi", "HI": "Hainan", "FJ": "Fujian", "HA": "Henan", "HB": "Hubei",
    "HN": "Hunan", "JX": "Jiangxi", "SC": "Sichuan", "CQ": "Chongqing", "GZ": "Guizhou", "YN": "Yunnan", "XZ": "Tibet",
    "SN": "Shaanxi", "GS": "Gansu", "QH": "Qinghai", "NX": "Ningxia", "XJ": "Xinjiang",
}  # fmt: skip

# Districts by postcode, inside provinces.
DISTRICTS = {
    "GZH": ("Guangzhou", "广州", "GD", "510, 511"),
    "SZH": ("Shenzhen", "深圳", "GD", "518"),
    "SUZ": ("Suzhou", "苏州", "JS", "215"),
    "NGB": ("Ningbo", "宁波", "ZJ", "315"),
}

# Rough outlines (longitude, latitude), good enough for a consumer's position; and who lies within another one.
OUTLINES = {
    "HE": ((113.5, 36.2), (114.9, 36.0), (115.8, 37.2), (117.6, 38.5), (118.0, 39.2), (119.8, 40.0), (119.0, 41.2), (117.8, 42.5), (116.0, 42.0), (114.1, 41.6), (113.9, 40.2), (114.1, 39.0), (113.6, 37.5)),
    "JS": ((116.4, 34.6), (117.2, 34.0), (118.2, 33.2), (118.7, 32.0), (119.4, 31.2), (120.4, 31.0), (121.1, 31.4), (121.8, 31.8), (120.9, 33.0), (119.4, 34.8), (117.6, 35.1)),
    "ZJ": ((118.1, 29.0), (118.7, 28.0), (119.6, 27.4), (120.5, 27.2), (121.7, 28.3), (122.3, 29.6), (121.6, 30.3), (120.8, 30.9), (119.9, 31.1), (119.1, 30.3)),
    "BJ": ((115.4, 39.6), (116.2, 39.5), (117.0, 39.6), (117.4, 40.2), (117.2, 40.7), (116.5, 41.0), (115.9, 40.6), (115.4, 40.0)),
    "SH": ((120.9, 31.0), (121.3, 30.7), (121.9, 30.9), (122.0, 31.4), (121.4, 31.8), (121.1, 31.4)),
    "GD": ((109.7, 20.3), (110.6, 20.3), (111.9, 21.6), (113.6, 22.0), (114.5, 22.5), (117.0, 23.4), (116.5, 24.7), (114.6, 25.2), (112.8, 24.9), (111.2, 23.3), (110.2, 21.9), (109.7, 21.2)),
    "SC": ((98.0, 31.0), (99.2, 28.2), (101.5, 26.1), (103.3, 27.5), (105.3, 28.1), (105.6, 29.6), (106.9, 31.0), (108.2, 32.0), (105.3, 32.8), (103.2, 33.9), (100.6, 33.0), (98.2, 32.3)),
    "HB": ((108.4, 32.2), (109.4, 30.6), (108.7, 29.3), (110.5, 29.9), (113.3, 29.5), (115.0, 29.7), (116.0, 30.3), (115.4, 31.6), (113.8, 32.3), (111.3, 33.1), (109.9, 33.2)),
}  # fmt: skip
HOLES = {"HE": "BJ"}
